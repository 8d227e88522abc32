import type { Cell } from './cell.ts';

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', '1', 'yes'].map((word) => [word, true] as const),
  ...['false', 'f', '0', 'no'].map((word) => [word, false] as const),
]);
const LONGEST = 5;

/** A flag's meaning, in any case, the cell being trimmed; undefined where it is none. */
export function readFlag(cell: Cell): boolean | undefined {
  return cell.length > LONGEST ? undefined : FLAGS.get(cell.ascii().toLowerCase());
}
