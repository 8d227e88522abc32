import type { ColumnType } from '../datasets/dataset.ts';
import { trimBytes } from './byteText.ts';
import { COPY_NULL, copyCell } from './copyText.ts';
import { dateInNairobi, isInstant } from './times.ts';

/**
 * Reads a cell (byte string) and gives it as COPY takes it; undefined where it is no value of the type.
 *
 * One pattern per type, so narrow that PostgreSQL's cast, which comes after, can neither refuse the value nor take it
 * for something else (`now`, `infinity`, `01/02/2026`, `24:00:00`, `0x1F`, …).
 */
export type CellReader = (bytes: string) => string | undefined;

/** The longest number, in characters. The 3 digits of the exponent keep it in the range of `numeric`. */
const MAX_NUMBER_LENGTH = 400;
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
/** A digit that is not zero, before the exponent. */
const NOT_ZERO = /^[^eE]*[1-9]/;

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', '1', 'yes'].map((word) => [word, true] as const),
  ...['false', 'f', '0', 'no'].map((word) => [word, false] as const),
]);

/** The longest primary key, bytes: an index entry of PostgreSQL holds 2,704. */
const MAX_KEY_BYTES = 1000;

/** The readers of all types. An empty cell is NULL; in a typed column a blank one too. */
export const CELL_READERS: Readonly<Record<ColumnType, CellReader>> = {
  text: (bytes) => (bytes === '' ? COPY_NULL : copyCell(bytes)),
  timestamptz: typed((text) => (isInstant(text) ? text : undefined)),
  date: typed(dateInNairobi),
  'double precision': typed((text) => (isDouble(text) ? text : undefined)),
  numeric: typed((text) => (isDecimal(text) ? text : undefined)),
  boolean: typed((text) => {
    const flag = FLAGS.get(text.toLowerCase());
    return flag === undefined ? undefined : flag ? 't' : 'f';
  }),
};

export const KEY_REASON = 'the primary key is empty or longer than 1,000 bytes';

/** Why a cell was refused; no value is part of it. */
export const REASONS: Readonly<Record<ColumnType, string>> = {
  text: 'not a text',
  timestamptz: 'not a time in ISO 8601',
  date: 'not a date in ISO 8601',
  'double precision': 'not a decimal number in the range of double precision',
  numeric: 'not a decimal number',
  boolean: 'not a flag',
};

/** A flag's meaning, empty and blank being false; undefined where it is none. */
export function readFlag(bytes: string): boolean | undefined {
  const word = trimBytes(bytes);
  return word === '' ? false : FLAGS.get(word.toLowerCase());
}

/** A primary key, trimmed; undefined where it is empty or too long. */
export function readKey(bytes: string): string | undefined {
  const key = trimBytes(bytes);
  return key === '' || key.length > MAX_KEY_BYTES ? undefined : copyCell(key);
}

function typed(read: (text: string) => string | undefined): CellReader {
  return (bytes) => {
    const text = trimBytes(bytes);
    return text === '' ? COPY_NULL : read(text);
  };
}

function isDecimal(text: string): boolean {
  return text.length <= MAX_NUMBER_LENGTH && DECIMAL.test(text);
}

function isDouble(text: string): boolean {
  if (!isDecimal(text)) return false;
  const value = Number(text);
  return Number.isFinite(value) && (value !== 0 || !NOT_ZERO.test(text));
}
