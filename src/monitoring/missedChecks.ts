import { Cron } from 'croner';
import type { Dataset } from '../datasets/dataset.ts';

/** Where nobody counts on. */
const MOST = 100;

/**
 * How many times of a dataset's schedule have passed since its last check, up to 100; 100 where there was none. A
 * schedule that rests at night misses nothing by it.
 */
export function missedChecks(
  { cron, timeZone }: Pick<Dataset, 'cron' | 'timeZone'>,
  checkedAt: Date | null,
  now: Date,
): number {
  if (checkedAt === null) return MOST;
  const times = new Cron(cron, { timezone: timeZone });
  let missed = 0;
  for (let at = times.nextRun(checkedAt); at && at <= now && missed < MOST; at = times.nextRun(at)) missed++;
  return missed;
}
