/** What a run sees of a listing, page by page, in bounded form: it goes into Temporal's history. */

import type { ClassifiedFile, FileState } from './states.ts';

/** A count with the first keys of it. */
export interface KeyList {
  readonly total: number;
  /** At most 100. */
  readonly keys: readonly string[];
}

/** A listing in numbers, with the keys that an operator asks for. */
export interface ListingSummary {
  readonly pending: KeyList;
  readonly late: KeyList;
  readonly changed: KeyList;
  readonly future: KeyList;
  readonly failed: KeyList;
  readonly applied: number;
  readonly covered: number;
  readonly ignored: number;
}

/** Keys in a list; the total stands beside it. */
export const MAX_KEYS = 100;

const NO_KEYS: KeyList = { total: 0, keys: [] };

/** Nothing seen yet. */
export const NOTHING_SEEN: ListingSummary = {
  pending: NO_KEYS,
  late: NO_KEYS,
  changed: NO_KEYS,
  future: NO_KEYS,
  failed: NO_KEYS,
  applied: 0,
  covered: 0,
  ignored: 0,
};

/** Adds a page to what was seen. @param latePolicy of the dataset: late files that are applied wait like any other */
export function summarise(
  seen: ListingSummary,
  files: readonly ClassifiedFile[],
  latePolicy: 'hold' | 'apply',
): ListingSummary {
  const add = (list: KeyList, ...states: FileState[]): KeyList => {
    const keys = files.filter((file) => states.includes(file.state)).map((file) => file.key);
    return addKeys(list, keys);
  };
  const count = (state: FileState): number => files.filter((file) => file.state === state).length;
  return {
    pending: add(seen.pending, 'pending', 'settling', ...(latePolicy === 'apply' ? ['late' as const] : [])),
    late: latePolicy === 'apply' ? seen.late : add(seen.late, 'late'),
    changed: add(seen.changed, 'changed'),
    future: add(seen.future, 'future'),
    failed: add(seen.failed, 'failed', 'vanished'),
    applied: seen.applied + count('applied'),
    covered: seen.covered + count('covered'),
    ignored: seen.ignored + count('ignored'),
  };
}

/** Adds keys to a list, keeping at most `MAX_KEYS` of them. */
export function addKeys(list: KeyList, keys: readonly string[]): KeyList {
  return {
    total: list.total + keys.length,
    keys: list.keys.length >= MAX_KEYS ? list.keys : [...list.keys, ...keys].slice(0, MAX_KEYS),
  };
}
