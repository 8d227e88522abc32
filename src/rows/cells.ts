import type { ColumnType } from '../datasets/dataset.ts';
import type { Cell } from './cell.ts';
import type { CopyBlock } from './copyBlock.ts';
import { readFlag } from './flags.ts';
import { NumberReader } from './numbers.ts';
import { TimeReader } from './times.ts';
import type { ZoneHistory } from './zone.ts';

/**
 * Reads a cell and writes its value; false, and nothing written, where it is no value of the type.
 *
 * One pattern per type, so narrow that nothing passes that a bare cast would take for something else (`now`,
 * `infinity`, `01/02/2026`, `24:00:00`, `0x1F`, …). What passes is written as the value that PostgreSQL's cast of the
 * same text gives.
 */
export type CellReader = (cell: Cell, out: CopyBlock) => boolean;

/** The longest primary key, bytes: an index entry of PostgreSQL holds 2,704. */
const MAX_KEY_BYTES = 1000;

/** The readers of all types but text. A blank cell is NULL. */
export function cellReaders(zone: ZoneHistory): Readonly<Record<Exclude<ColumnType, 'text'>, CellReader>> {
  const times = new TimeReader(zone);
  const numbers = new NumberReader();
  return {
    timestamptz: typed((cell, out) => {
      if (!times.readInstant(cell)) return false;
      out.instant(times.seconds, times.micros);
      return true;
    }),
    date: typed((cell, out) => {
      if (!times.readDate(cell)) return false;
      out.date(times.days);
      return true;
    }),
    'double precision': typed((cell, out) => {
      const value = numbers.readDouble(cell);
      if (Number.isNaN(value)) return false;
      out.double(value);
      return true;
    }),
    numeric: typed((cell, out) => numbers.writeNumeric(cell, out)),
    boolean: typed((cell, out) => {
      const flag = readFlag(cell);
      if (flag !== undefined) out.flag(flag);
      return flag !== undefined;
    }),
  };
}

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
  out.text(cell.bytes, cell.from, cell.to);
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
