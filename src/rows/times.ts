import type { Cell } from './cell.ts';

/**
 * The one pattern for times and dates: ISO 8601 extended, with `T` or one space, without or with an offset. Read byte
 * by byte, not by a regular expression: it runs for several cells of every row. The cells are trimmed.
 */

/** No offset is given: the time is one of Nairobi. */
const NAIVE = 10_000;
const INVALID = 20_000;
/** Nairobi is three hours east, without daylight saving. */
const NAIROBI_MINUTES = 180;
const DAY_MINUTES = 1440;
/** What PostgreSQL allows an offset. */
const MAX_OFFSET_HOURS = 15;

const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const UPPER_T = 0x54;
const UPPER_Z = 0x5a;

/** Whether it is an instant, of the years 0001 to 9999, that PostgreSQL takes as `timestamptz`. */
export function isInstant(cell: Cell): boolean {
  return hasDate(cell) && offsetOf(cell) !== INVALID;
}

/** How the date that an instant has in Nairobi is told from the one it is written with. */
export type DateShift = 'none' | 'dayAfter' | 'dayBefore';

/** Where the date lies that a date is, or an instant has in Nairobi; undefined where it is neither. */
export function dateShift(cell: Cell): DateShift | undefined {
  if (!hasDate(cell)) return undefined;
  if (cell.length === 10) return 'none';
  const offset = offsetOf(cell);
  if (offset === INVALID) return undefined;
  if (offset === NAIVE) return 'none';
  const minutes = two(cell, 11) * 60 + two(cell, 14) - offset + NAIROBI_MINUTES;
  if (minutes < 0) return 'dayBefore';
  return minutes >= DAY_MINUTES ? 'dayAfter' : 'none';
}

/** The day after or before a cell's date, as `YYYY-MM-DD`; undefined outside of the years 0001 to 9999. */
export function shiftedDate(cell: Cell, shift: 'dayAfter' | 'dayBefore'): string | undefined {
  const [year, month, day] = [two(cell, 0) * 100 + two(cell, 2), two(cell, 5), two(cell, 8)];
  // Not Date.UTC, for which the years 0 to 99 are those of the twentieth century.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day + (shift === 'dayAfter' ? 1 : -1));
  const text = date.toISOString();
  return /^(?!0000)\d{4}-/.test(text) ? text.slice(0, 10) : undefined;
}

/** Whether it begins with a date of the calendar, `YYYY-MM-DD`. */
function hasDate(cell: Cell): boolean {
  const year = two(cell, 0) * 100 + two(cell, 2);
  if (!(year > 0) || cell.at(4) !== MINUS || cell.at(7) !== MINUS) return false;
  const day = two(cell, 8);
  return day > 0 && day <= daysIn(two(cell, 5), year);
}

/** The minutes east of UTC, NAIVE or INVALID, of what begins with a date. */
function offsetOf(cell: Cell): number {
  if (cell.at(10) !== UPPER_T && cell.at(10) !== SPACE) return INVALID;
  if (!(two(cell, 11) < 24 && cell.at(13) === COLON && two(cell, 14) < 60)) return INVALID;
  let at = 16;
  if (cell.at(at) === COLON) {
    if (!(two(cell, 17) < 60)) return INVALID;
    at = cell.at(19) === POINT ? endOfFraction(cell) : 19;
  }
  if (at === cell.length) return NAIVE;
  const sign = cell.at(at);
  if (sign === UPPER_Z) return at + 1 === cell.length ? 0 : INVALID;
  if (sign !== PLUS && sign !== MINUS) return INVALID;
  const minutes = minutesOfOffset(cell, at + 1);
  return sign === MINUS && minutes !== INVALID ? 0 - minutes : minutes;
}

/** Where one to nine digits from position 20 on end; behind the cell's end, and so invalid, where it isn't so. */
function endOfFraction(cell: Cell): number {
  let at = 20;
  while (isDigit(cell.at(at))) at += 1;
  return at > 20 && at <= 29 ? at : cell.length + 1;
}

/** The minutes of `HH`, `HHmm` or `HH:mm` up to the end; INVALID where it is none of them. */
function minutesOfOffset(cell: Cell, at: number): number {
  const hours = two(cell, at);
  if (!(hours <= MAX_OFFSET_HOURS)) return INVALID;
  if (cell.length === at + 2) return hours * 60;
  const minutesAt = cell.at(at + 2) === COLON ? at + 3 : at + 2;
  const minutes = two(cell, minutesAt);
  return minutes < 60 && cell.length === minutesAt + 2 ? hours * 60 + minutes : INVALID;
}

/** The number of two digits; NaN, for which every comparison is false, where they are none. */
function two(cell: Cell, at: number): number {
  const tens = cell.at(at);
  const ones = cell.at(at + 1);
  return isDigit(tens) && isDigit(ones) ? (tens - 48) * 10 + ones - 48 : Number.NaN;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** The days of a month; NaN for no month. */
function daysIn(month: number, year: number): number {
  if (!(month >= 1 && month <= 12)) return Number.NaN;
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
