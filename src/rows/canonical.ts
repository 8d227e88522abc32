import { decode, encode } from './byteText.ts';
import { COPY_NULL, copyCell } from './copyText.ts';

/** How many spellings of one column are remembered, and how long they may be: at most about 1 MiB a column. */
const MEMO_SIZE = 4096;
const MEMO_LENGTH = 256;

/** A cell of a canonical column, ready for COPY. */
export interface CanonicalCell {
  readonly cell: string;
  /** It is one of the canonical values, or NULL. */
  readonly known: boolean;
}

/** How a canonical column's cells (byte strings) are read. */
export type CanonicalReader = (bytes: string) => CanonicalCell;

/** The reader of a column with canonical values; spellings repeat, so that they are worked out once. */
export function canonicalReader(canonical: {
  readonly values: readonly string[];
  readonly separators: boolean;
}): CanonicalReader {
  const gaps = canonical.separators ? /[\s_-]+/g : /\s+/g;
  const match = (text: string) => text.replace(gaps, ' ').trim().toLowerCase();
  const values = new Map(canonical.values.map((value) => [match(value), value]));
  const memo = new Map<string, CanonicalCell>();

  function work(bytes: string): CanonicalCell {
    const text = decode(bytes).replace(/\s+/g, ' ').trim();
    if (text === '') return { cell: COPY_NULL, known: true };
    const value = values.get(match(text));
    return { cell: copyCell(encode(value ?? text)), known: value !== undefined };
  }

  return (bytes) => {
    const seen = memo.get(bytes);
    if (seen) return seen;
    const cell = work(bytes);
    // The key is copied: a part of a larger string keeps the whole of it in memory.
    if (memo.size < MEMO_SIZE && bytes.length <= MEMO_LENGTH) {
      memo.set(Buffer.from(bytes, 'latin1').toString('latin1'), cell);
    }
    return cell;
  };
}
