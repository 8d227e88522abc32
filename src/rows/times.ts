import type { Cell } from './cell.ts';
import { eastOfUtc, type ZoneHistory } from './zone.ts';

/**
 * The one pattern for times and dates: ISO 8601 extended, with `T` or one space, without or with an offset. Read byte
 * by byte, not by a regular expression: it runs for several cells of every row. The cells are trimmed.
 */

/** No offset is given: the time is one of Nairobi. */
const NAIVE = 10_000;
/** Nairobi is three hours east, without daylight saving. */
const NAIROBI_MINUTES = 180;
const DAY_MINUTES = 1440;
const DAY_SECONDS = 86_400;
/** What PostgreSQL allows an offset. */
const MAX_OFFSET_HOURS = 15;

/** Days from 0000-03-01, from which on leap days end a year, to 2000-01-01. */
const EPOCH_DAYS = 730_425;
const FOUR_CENTURIES_DAYS = 146_097;
/** 0001-01-01 and 9999-12-31, days since 2000-01-01. */
const FIRST_DAY = -730_119;
const LAST_DAY = 2_921_939;

const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const UPPER_T = 0x54;
const UPPER_Z = 0x5a;

/** Reads times and dates; what the last one was is in its fields. */
export class TimeReader {
  /** Of an instant: seconds since 2000-01-01 00:00 UTC, and microseconds, 0 to 1,000,000, to be added. */
  seconds = 0;
  micros = 0;
  /** Of a date: days since 2000-01-01. */
  days = 0;
  /** Of what has a time: its minute of the day, its second, and the minutes it is east of UTC, or NAIVE. */
  private minutes = 0;
  private second = 0;
  private offset = 0;
  private readonly zone: ZoneHistory;

  constructor(zone: ZoneHistory) {
    this.zone = zone;
  }

  /** Whether it is an instant of the years 0001 to 9999; then `seconds` and `micros` are it. */
  readInstant(cell: Cell): boolean {
    if (!this.readDay(cell) || !this.readTime(cell)) return false;
    const local = this.days * DAY_SECONDS + this.minutes * 60 + this.second;
    this.seconds = local - (this.offset === NAIVE ? eastOfUtc(this.zone, local) : this.offset * 60);
    return true;
  }

  /** Whether it is a date, or an instant that has one in Nairobi, of the years 0001 to 9999; then `days` is it. */
  readDate(cell: Cell): boolean {
    if (!this.readDay(cell)) return false;
    if (cell.length === 10) return true;
    if (!this.readTime(cell)) return false;
    if (this.offset === NAIVE) return true;
    this.days += Math.floor((this.minutes - this.offset + NAIROBI_MINUTES) / DAY_MINUTES);
    return this.days >= FIRST_DAY && this.days <= LAST_DAY;
  }

  /** Whether it begins with a date of the calendar, `YYYY-MM-DD`. */
  private readDay(cell: Cell): boolean {
    const { bytes, from } = cell;
    if (cell.length < 10 || bytes[from + 4] !== MINUS || bytes[from + 7] !== MINUS) return false;
    const year = twoAt(bytes, from) * 100 + twoAt(bytes, from + 2);
    const month = twoAt(bytes, from + 5);
    const day = twoAt(bytes, from + 8);
    if (!(year > 0 && day > 0 && day <= daysIn(month, year))) return false;
    this.days = daysSince2000(year, month, day);
    return true;
  }

  /** Whether a time and perhaps an offset follow the date, up to the cell's end. */
  private readTime(cell: Cell): boolean {
    if (cell.at(10) !== UPPER_T && cell.at(10) !== SPACE) return false;
    const hour = two(cell, 11);
    const minute = two(cell, 14);
    if (!(hour < 24 && cell.at(13) === COLON && minute < 60)) return false;
    this.minutes = hour * 60 + minute;
    this.second = 0;
    this.micros = 0;
    const at = cell.at(16) === COLON ? this.readSecond(cell) : 16;
    return this.readOffset(cell, at);
  }

  /** Reads second and fraction. @returns where they end, behind the cell's end, and so invalid, where there are none */
  private readSecond(cell: Cell): number {
    this.second = two(cell, 17);
    if (!(this.second < 60)) return cell.length + 1;
    if (cell.at(19) !== POINT) return 19;
    let at = 20;
    let fraction = 0;
    while (isDigit(cell.at(at))) {
      fraction = fraction * 10 + cell.at(at) - 48;
      at += 1;
    }
    const digits = at - 20;
    if (digits < 1 || digits > 9) return cell.length + 1;
    this.micros = digits <= 6 ? fraction * 10 ** (6 - digits) : rounded(fraction, digits);
    return at;
  }

  /** Whether nothing, `Z`, `±HH`, `±HHmm` or `±HH:mm` is from there to the cell's end. */
  private readOffset(cell: Cell, at: number): boolean {
    this.offset = NAIVE;
    if (at === cell.length) return true;
    const sign = cell.at(at);
    this.offset = 0;
    if (sign === UPPER_Z) return at + 1 === cell.length;
    if (sign !== PLUS && sign !== MINUS) return false;
    const hours = two(cell, at + 1);
    if (!(hours <= MAX_OFFSET_HOURS)) return false;
    let minutes = hours * 60;
    if (cell.length !== at + 3) {
      const minutesAt = cell.at(at + 3) === COLON ? at + 4 : at + 3;
      const more = two(cell, minutesAt);
      if (!(more < 60 && cell.length === minutesAt + 2)) return false;
      minutes += more;
    }
    this.offset = sign === MINUS ? -minutes : minutes;
    return true;
  }
}

/**
 * Microseconds of a fraction of seven to nine digits, as PostgreSQL has them: the decimal read as a double, times a
 * million, to the nearest integer, half to even (`ParseFractionalSecond` in its datetime.c).
 */
function rounded(fraction: number, digits: number): number {
  const micros = (fraction / 10 ** digits) * 1e6;
  const below = Math.floor(micros);
  if (micros - below !== 0.5) return Math.round(micros);
  return below % 2 === 0 ? below : below + 1;
}

/** Days of the Gregorian calendar, by years that begin in March. */
function daysSince2000(year: number, month: number, day: number): number {
  const march = month > 2 ? year : year - 1;
  const era = Math.floor(march / 400);
  const inEra = march - era * 400;
  const monthDays = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5);
  const eraDays = inEra * 365 + Math.floor(inEra / 4) - Math.floor(inEra / 100);
  return era * FOUR_CENTURIES_DAYS + eraDays + monthDays + day - 1 - EPOCH_DAYS;
}

/** The number of two digits; NaN, for which every comparison is false, where they are none. */
function two(cell: Cell, at: number): number {
  return numberOf(cell.at(at) - 48, cell.at(at + 1) - 48);
}

/** The same of a cell's bytes, where it is known to reach so far. */
function twoAt(bytes: Buffer, at: number): number {
  return numberOf((bytes[at] ?? 0) - 48, (bytes[at + 1] ?? 0) - 48);
}

function numberOf(tens: number, ones: number): number {
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
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
