/** Every wait of the fault tests has a bound, and says what it waited for. */

import { setTimeout as delay } from 'node:timers/promises';

/** Scenarios wait side by side, most of them for half a minute. */
const LOOK_MS = 100;

/** Waits for a promise at most this long. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1000} s: ${what}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a condition holds, at most this long. */
export async function until(
  ms: number,
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await within(ms, what, Promise.resolve(holds())))) {
    if (performance.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await delay(LOOK_MS);
  }
}
