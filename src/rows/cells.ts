import type { ColumnType } from '../datasets/dataset.ts';
import type { Cell } from './cell.ts';
import type { CopyBlock } from './copyBlock.ts';
import { readFlag } from './flags.ts';
import { isDecimal, isDouble } from './numbers.ts';
import { dateShift, isInstant, shiftedDate } from './times.ts';

/**
 * Reads a cell and writes its value; false, and nothing written, where it is no value of the type.
 *
 * One pattern per type, so narrow that PostgreSQL's cast, which comes after, can neither refuse the value nor take it
 * for something else (`now`, `infinity`, `01/02/2026`, `24:00:00`, `0x1F`, …).
 */
export type CellReader = (cell: Cell, out: CopyBlock) => boolean;

const LOWER_F = 0x66;
const LOWER_T = 0x74;

/** The longest primary key, bytes: an index entry of PostgreSQL holds 2,704. */
const MAX_KEY_BYTES = 1000;

/** The readers of all types. An empty cell is NULL; in a typed column a blank one too. */
export const CELL_READERS: Readonly<Record<ColumnType, CellReader>> = {
  text(cell, out) {
    if (cell.length === 0) out.null();
    else out.text(cell);
    return true;
  },
  timestamptz: typed((cell, out) => isInstant(cell) && plain(cell, out)),
  date: typed((cell, out) => {
    const shift = dateShift(cell);
    if (shift === undefined) return false;
    if (shift === 'none') return plain(cell.set(cell.bytes, cell.from, cell.from + 10), out);
    const date = shiftedDate(cell, shift);
    if (date !== undefined) out.ascii(date);
    return date !== undefined;
  }),
  'double precision': typed((cell, out) => isDouble(cell) && plain(cell, out)),
  numeric: typed((cell, out) => isDecimal(cell) && plain(cell, out)),
  boolean: typed((cell, out) => {
    const flag = readFlag(cell);
    if (flag !== undefined) out.byte(flag ? LOWER_T : LOWER_F);
    return flag !== undefined;
  }),
};

/** Why a cell was refused; no value is part of it. */
export const REASONS: Readonly<Record<ColumnType, string>> = {
  text: 'not a text',
  timestamptz: 'not a time in ISO 8601',
  date: 'not a date in ISO 8601',
  'double precision': 'not a decimal number in the range of double precision',
  numeric: 'not a decimal number',
  boolean: 'not a flag',
};

export const KEY_REASON = 'the primary key is empty or longer than 1,000 bytes';

/** Reads a primary key: trimmed, not empty, not too long. */
export const readKey: CellReader = (cell, out) => {
  cell.trim();
  if (cell.length === 0 || cell.length > MAX_KEY_BYTES) return false;
  out.text(cell);
  return true;
};

function typed(read: CellReader): CellReader {
  return (cell, out) => {
    cell.trim();
    if (cell.length > 0) return read(cell, out);
    out.null();
    return true;
  };
}

function plain(cell: Cell, out: CopyBlock): boolean {
  out.plain(cell);
  return true;
}
