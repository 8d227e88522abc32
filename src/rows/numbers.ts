import type { Cell } from './cell.ts';
import type { CopyBlock } from './copyBlock.ts';

/** The longest number, in characters. The 3 digits of the exponent keep it in the range of `numeric`. */
const MAX_LENGTH = 400;
const MAX_EXPONENT_DIGITS = 3;
/** So many digits are a safe integer, and ten to that power is a double exactly. */
const SAFE_DIGITS = 15;
/** A digit that is not zero, before the exponent. */
const NOT_ZERO = /^[^eE]*[1-9]/;

const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const LOWER_E = 0x65;
const CASE = 0x20;

/** Reads decimal numbers, maybe with an exponent: `-1`, `.5`, `5.`, `1e3`; what the last one was is in its fields. */
export class NumberReader {
  private cell: Cell | undefined;
  private negative = false;
  /** Where its digits begin, its point is, and its digits end; the last two are the same where there is no point. */
  private first = 0;
  private point = 0;
  private end = 0;
  private exponent = 0;

  /** The double that the cell is: finite, and not zero where no zero is meant; NaN where it is none. */
  readDouble(cell: Cell): number {
    if (!this.read(cell)) return Number.NaN;
    const fraction = this.fractionDigits;
    if (this.exponent === 0 && this.digits <= SAFE_DIGITS) {
      // Both exact, so that the quotient is the double nearest to the decimal, as strtod has it.
      const value = this.integer() / 10 ** fraction;
      return this.negative ? -value : value;
    }
    const text = cell.ascii();
    const value = Number(text);
    return Number.isFinite(value) && (value !== 0 || !NOT_ZERO.test(text)) ? value : Number.NaN;
  }

  /**
   * Writes the `numeric` that the cell is, with the digits behind the point that it is written with, as PostgreSQL's
   * cast keeps them (`set_var_from_str` in its numeric.c). @returns false, and nothing written, where it is none
   */
  writeNumeric(cell: Cell, out: CopyBlock): boolean {
    if (!this.read(cell)) return false;
    const before = this.point - this.first + this.exponent;
    // Digits are grouped in fours from the point, which is `before` digits behind the first.
    const weight = Math.ceil(before / 4) - 1;
    const padding = (weight + 1) * 4 - before;
    const groups = Math.ceil((this.digits + padding) / 4);
    out.numeric(groups, weight, this.negative, Math.max(0, this.fractionDigits - this.exponent));
    let index = -padding;
    for (let group = 0; group < groups; group += 1) {
      const value =
        this.digit(index) * 1000 +
        this.digit(index + 1) * 100 +
        this.digit(index + 2) * 10 +
        this.digit(index + 3);
      out.numericDigit(value);
      index += 4;
    }
    return true;
  }

  private read(cell: Cell): boolean {
    if (cell.length > MAX_LENGTH) return false;
    this.cell = cell;
    this.negative = cell.at(0) === MINUS;
    this.first = this.negative || cell.at(0) === PLUS ? 1 : 0;
    this.point = endOfDigits(cell, this.first);
    this.end = cell.at(this.point) === POINT ? endOfDigits(cell, this.point + 1) : this.point;
    this.exponent = 0;
    if (this.digits < 1) return false;
    return this.end === cell.length || this.readExponent(cell);
  }

  private readExponent(cell: Cell): boolean {
    if ((cell.at(this.end) | CASE) !== LOWER_E) return false;
    const sign = cell.at(this.end + 1);
    const first = sign === PLUS || sign === MINUS ? this.end + 2 : this.end + 1;
    const end = endOfDigits(cell, first);
    if (end !== cell.length || end === first || end - first > MAX_EXPONENT_DIGITS) return false;
    for (let at = first; at < end; at += 1) this.exponent = this.exponent * 10 + cell.at(at) - 48;
    if (sign === MINUS) this.exponent = -this.exponent;
    return true;
  }

  private get fractionDigits(): number {
    return this.end > this.point ? this.end - this.point - 1 : 0;
  }

  /** Digits on both sides of the point. */
  private get digits(): number {
    return this.point - this.first + this.fractionDigits;
  }

  /** All digits as one number, at most SAFE_DIGITS of them. */
  private integer(): number {
    let value = 0;
    const digits = this.digits;
    for (let index = 0; index < digits; index += 1) value = value * 10 + this.digit(index);
    return value;
  }

  /** The digit at an index from the first on, the point not counted; 0 where there is none. */
  private digit(index: number): number {
    if (index < 0 || index >= this.digits || !this.cell) return 0;
    const at = this.first + index;
    return this.cell.at(at < this.point ? at : at + 1) - 48;
  }
}

function endOfDigits(cell: Cell, from: number): number {
  let at = from;
  while (cell.at(at) >= 48 && cell.at(at) <= 57) at += 1;
  return at;
}
