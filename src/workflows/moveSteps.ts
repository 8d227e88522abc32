import { LARGE_FILE_BYTES, LATE_MOVE_MS, SLOT_MS } from '../domain/slots.ts';

/** One activity that moves files: in which slot, and for how long at most. */
export interface Step {
  readonly slot: 'ordinary' | 'large';
  /** Milliseconds; absent where a copy may take the time that it takes. */
  readonly withinMs?: number;
}

/** How files are moved first: a large one's copy takes its time. */
export function firstStep(files: readonly { readonly size: number }[]): Step {
  const large = files.some(({ size }) => size >= LARGE_FILE_BYTES);
  return large ? { slot: 'large' } : { slot: 'ordinary', withinMs: SLOT_MS };
}

/**
 * How those are moved that a step was too short for. Where an ordinary slot did for none, it is not tried again.
 *
 * @returns undefined where none was moved in a slot for large files either: they are for the next run
 */
export function nextStep(step: Step, { moved }: { readonly moved: 'some' | 'none' }): Step | undefined {
  if (moved === 'some') return step;
  return step.slot === 'ordinary' ? { slot: 'large', withinMs: LATE_MOVE_MS } : undefined;
}
