import type { Cell } from './cell.ts';

/** The longest number, in characters. The 3 digits of the exponent keep it in the range of `numeric`. */
const MAX_LENGTH = 400;
/** A decimal number so long at most, without exponent, can't leave the range of a double. */
const SURE_LENGTH = 300;
const MAX_EXPONENT_DIGITS = 3;
/** A digit that is not zero, before the exponent. */
const NOT_ZERO = /^[^eE]*[1-9]/;

const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const LOWER_E = 0x65;
const CASE = 0x20;

/** Whether it is a decimal number, maybe with an exponent: `-1`, `.5`, `5.`, `1e3`. */
export function isDecimal(cell: Cell): boolean {
  if (cell.length > MAX_LENGTH) return false;
  const end = endOfMantissa(cell);
  return end > 0 && (end === cell.length || isExponent(cell, end));
}

/** Whether it is a decimal number that a double can hold: finite, and not zero where no zero is meant. */
export function isDouble(cell: Cell): boolean {
  if (!isDecimal(cell)) return false;
  if (cell.length <= SURE_LENGTH && endOfMantissa(cell) === cell.length) return true;
  const text = cell.ascii();
  const value = Number(text);
  return Number.isFinite(value) && (value !== 0 || !NOT_ZERO.test(text));
}

/** Where sign, digits and point end; 0 where there is no digit. */
function endOfMantissa(cell: Cell): number {
  const first = cell.at(0) === PLUS || cell.at(0) === MINUS ? 1 : 0;
  const point = endOfDigits(cell, first);
  if (cell.at(point) !== POINT) return point > first ? point : 0;
  const end = endOfDigits(cell, point + 1);
  return end - first > 1 ? end : 0;
}

function isExponent(cell: Cell, at: number): boolean {
  if ((cell.at(at) | CASE) !== LOWER_E) return false;
  const first = cell.at(at + 1) === PLUS || cell.at(at + 1) === MINUS ? at + 2 : at + 1;
  const end = endOfDigits(cell, first);
  return end === cell.length && end > first && end - first <= MAX_EXPONENT_DIGITS;
}

function endOfDigits(cell: Cell, from: number): number {
  let at = from;
  while (cell.at(at) >= 48 && cell.at(at) <= 57) at += 1;
  return at;
}
