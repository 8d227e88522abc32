import type { Column } from '../datasets/dataset.ts';
import { Cell } from './cell.ts';

/** How many spellings of one column are remembered, and how long they may be: at most about 1 MiB a column. */
const MEMO_SIZE = 4096;
const MEMO_LENGTH = 256;

/** What a canonical column's cell stands for. */
export interface CanonicalValue {
  /** The value to store; empty for NULL. */
  readonly value: Cell;
  /** It is one of the canonical values, or NULL. */
  readonly known: boolean;
}

export type CanonicalReader = (cell: Cell) => CanonicalValue;

/** Reads the cells of a column with canonical values; spellings repeat, so that they are worked out once. */
export function canonicalReader(canonical: NonNullable<Column['canonical']>): CanonicalReader {
  const gaps = canonical.separators ? /[\s_-]+/g : /\s+/g;
  const match = (text: string) => text.replace(gaps, ' ').trim().toLowerCase();
  const values = new Map(canonical.values.map((value) => [match(value), value]));
  const memo = new Map<string, CanonicalValue>();

  function work(cell: Cell): CanonicalValue {
    const text = cell.text().replace(/\s+/g, ' ').trim();
    const value = values.get(match(text));
    return { value: cellOf(value ?? text), known: value !== undefined || text === '' };
  }

  return (cell) => {
    if (cell.length > MEMO_LENGTH) return work(cell);
    const key = cell.ascii();
    let seen = memo.get(key);
    if (!seen) {
      seen = work(cell);
      if (memo.size < MEMO_SIZE) memo.set(key, seen);
    }
    return seen;
  };
}

function cellOf(text: string): Cell {
  const bytes = Buffer.from(text);
  return new Cell().set(bytes, 0, bytes.length);
}
