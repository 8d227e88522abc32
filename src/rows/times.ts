/**
 * The one pattern for times and dates: ISO 8601 extended, with `T` or one space, without or with an offset. Read by
 * character codes, not by a regular expression: it runs for several cells of every row.
 */

/** No offset is given: the time is one of Nairobi. */
const NAIVE = 10_000;
const INVALID = 20_000;
/** Nairobi is three hours east, without daylight saving. */
const NAIROBI_MINUTES = 180;
const DAY_MINUTES = 1440;
/** What PostgreSQL allows an offset. */
const MAX_OFFSET_HOURS = 15;

/** Whether it is an instant, of the years 0001 to 9999, that PostgreSQL takes as `timestamptz`. */
export function isInstant(text: string): boolean {
  return isDatePart(text) && offsetOfInstant(text) !== INVALID;
}

/** The date that a date is, or an instant has in Nairobi, as `YYYY-MM-DD`; undefined where it is neither. */
export function dateInNairobi(text: string): string | undefined {
  if (!isDatePart(text)) return undefined;
  if (text.length === 10) return text;
  const offset = offsetOfInstant(text);
  if (offset === INVALID) return undefined;
  const date = text.slice(0, 10);
  if (offset === NAIVE) return date;
  const minutes = two(text, 11) * 60 + two(text, 14) - offset + NAIROBI_MINUTES;
  if (minutes < 0) return dayBefore(date);
  return minutes >= DAY_MINUTES ? dayAfter(date) : date;
}

/** Whether it begins with a date of the calendar, `YYYY-MM-DD`. */
function isDatePart(text: string): boolean {
  const year = two(text, 0) * 100 + two(text, 2);
  if (!(year > 0) || text[4] !== '-' || text[7] !== '-') return false;
  const day = two(text, 8);
  return day > 0 && day <= daysIn(two(text, 5), year);
}

/** The minutes east of UTC, NAIVE or INVALID, of what has a good date part. */
function offsetOfInstant(text: string): number {
  if (text[10] !== 'T' && text[10] !== ' ') return INVALID;
  if (!(two(text, 11) < 24 && text[13] === ':' && two(text, 14) < 60)) return INVALID;
  let at = 16;
  if (text[at] === ':') {
    if (!(two(text, 17) < 60)) return INVALID;
    at = text[19] === '.' ? endOfFraction(text) : 19;
  }
  if (at === text.length) return NAIVE;
  if (text[at] === 'Z') return at + 1 === text.length ? 0 : INVALID;
  if (text[at] !== '+' && text[at] !== '-') return INVALID;
  const minutes = minutesOfOffset(text, at + 1);
  return text[at] === '-' && minutes !== INVALID ? 0 - minutes : minutes;
}

/** Where one to nine digits from position 20 on end; behind the text's end, and so invalid, where it isn't so. */
function endOfFraction(text: string): number {
  let at = 20;
  while (isDigit(text.charCodeAt(at))) at += 1;
  return at > 20 && at <= 29 ? at : text.length + 1;
}

/** The minutes of `HH`, `HHmm` or `HH:mm` up to the end; INVALID where it is none of them. */
function minutesOfOffset(text: string, at: number): number {
  const hours = two(text, at);
  if (!(hours <= MAX_OFFSET_HOURS)) return INVALID;
  if (text.length === at + 2) return hours * 60;
  const minutesAt = text[at + 2] === ':' ? at + 3 : at + 2;
  const minutes = two(text, minutesAt);
  return minutes < 60 && text.length === minutesAt + 2 ? hours * 60 + minutes : INVALID;
}

/** The number of two digits; NaN, for which every comparison is false, where they are none. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at);
  const ones = text.charCodeAt(at + 1);
  return isDigit(tens) && isDigit(ones) ? (tens - 48) * 10 + ones - 48 : Number.NaN;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** The days of a month; NaN for no month. */
function daysIn(month: number, year: number): number {
  if (!(month >= 1 && month <= 12)) return Number.NaN;
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function dayAfter(date: string): string | undefined {
  const [year, month, day] = [two(date, 0) * 100 + two(date, 2), two(date, 5), two(date, 8)];
  if (day < daysIn(month, year)) return format(year, month, day + 1);
  if (month < 12) return format(year, month + 1, 1);
  return year < 9999 ? format(year + 1, 1, 1) : undefined;
}

function dayBefore(date: string): string | undefined {
  const [year, month, day] = [two(date, 0) * 100 + two(date, 2), two(date, 5), two(date, 8)];
  if (day > 1) return format(year, month, day - 1);
  if (month > 1) return format(year, month - 1, daysIn(month - 1, year));
  return year > 1 ? format(year - 1, 12, 31) : undefined;
}

function format(year: number, month: number, day: number): string {
  const pad = (value: number, digits: number) => String(value).padStart(digits, '0');
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
}
