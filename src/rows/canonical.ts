import type { Column } from '../datasets/dataset.ts';
import { Cell } from './cell.ts';

/** How many spellings of one column are remembered, and how long they may be: at most about 1 MiB a column. */
const MEMO_SIZE = 4096;
const MEMO_LENGTH = 256;
/** Places for them, a power of two: half of them stay free. */
const PLACES = 2 * MEMO_SIZE;

/** What a canonical column's cell stands for. */
export interface CanonicalValue {
  /** The value to store; empty for NULL. */
  readonly value: Cell;
  /** It is one of the canonical values, or NULL. */
  readonly known: boolean;
}

export type CanonicalReader = (cell: Cell) => CanonicalValue;

type Canonical = NonNullable<Column['canonical']>;

const readers = new WeakMap<Canonical, CanonicalReader>();

/** Reads the cells of a column with canonical values; spellings repeat, in all files, so that they are worked out once. */
export function canonicalReader(canonical: Canonical): CanonicalReader {
  const reader = readers.get(canonical) ?? makeReader(canonical);
  readers.set(canonical, reader);
  return reader;
}

function makeReader(canonical: Canonical): CanonicalReader {
  const gaps = canonical.separators ? /[\s_-]+/g : /\s+/g;
  const match = (text: string) => text.replace(gaps, ' ').trim().toLowerCase();
  const values = new Map(canonical.values.map((value) => [match(value), value]));
  const memo = new Memo();

  function work(cell: Cell): CanonicalValue {
    const text = cell.text().replace(/\s+/g, ' ').trim();
    const value = values.get(match(text));
    return { value: cellOf(value ?? text), known: value !== undefined || text === '' };
  }

  return (cell) => {
    if (cell.length > MEMO_LENGTH) return work(cell);
    const known = memo.find(cell);
    if (known) return known;
    const value = work(cell);
    memo.add(cell, value);
    return value;
  };
}

/** Spellings found by their bytes: to make a string of a cell, for a `Map`, takes longer than all else that is done with it. */
class Memo {
  private readonly places: ({ readonly spelling: Cell; readonly value: CanonicalValue } | undefined)[] =
    Array.from({ length: PLACES });
  private size = 0;
  /** Where the last one that was looked for would be. */
  private place = 0;

  find(cell: Cell): CanonicalValue | undefined {
    for (this.place = placeOf(cell); ; this.place = (this.place + 1) % PLACES) {
      const found = this.places[this.place];
      if (!found || found.spelling.equals(cell)) return found?.value;
    }
  }

  /** Adds what was just looked for, and not found; a copy of it. */
  add(cell: Cell, value: CanonicalValue): void {
    if (this.size === MEMO_SIZE) {
      this.places.fill(undefined);
      this.size = 0;
    }
    this.size += 1;
    const bytes = Buffer.from(cell.bytes.subarray(cell.from, cell.to));
    this.places[this.place] = { spelling: new Cell().set(bytes, 0, bytes.length), value };
  }
}

/** FNV-1a. */
function placeOf({ bytes, from, to }: Cell): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return (hash ^ (hash >>> 13)) & (PLACES - 1);
}

function cellOf(text: string): Cell {
  const bytes = Buffer.from(text);
  return new Cell().set(bytes, 0, bytes.length);
}
