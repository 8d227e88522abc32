/** A time within which an attempt must give its slot back. */

import { setMaxListeners } from 'node:events';

/** A signal that aborts with the attempt's own, or when the time is over. */
export interface Leash {
  readonly signal: AbortSignal;
  /** Whether it was the time that aborted it. */
  isOver(): boolean;
  /** Lets go of the attempt's signal and of the clock, and aborts what is still under way; to be called once in any case. */
  release(): void;
}

/** @param withinMs milliseconds; without it the signal is the attempt's own */
export function leash(signal: AbortSignal, withinMs: number | undefined): Leash {
  if (withinMs === undefined) return { signal, isOver: () => false, release: () => undefined };
  const controller = new AbortController();
  // As many requests listen as are under way (`atBoundary`).
  setMaxListeners(0, controller.signal);
  let over = false;
  const abort = (): void => controller.abort();
  const clock = setTimeout(() => {
    over = !controller.signal.aborted;
    abort();
  }, withinMs);
  // Not `AbortSignal.any`, which would keep the listeners on Node 20.
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    isOver: () => over && !signal.aborted,
    release: () => {
      clearTimeout(clock);
      signal.removeEventListener('abort', abort);
      // Files read ahead in vain, once the slot is another's.
      abort();
    },
  };
}
