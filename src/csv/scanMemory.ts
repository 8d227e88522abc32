/** The compiled scan and its memory: one for the whole process, since a scan runs to its end without a pause. */

import type { CsvShape } from './records.ts';
import { SCAN_CODE } from './scanCode.ts';

const PAGE_BYTES = 64 * 1024;
/** What a scan finds at once at most, and the most fields of a record that it takes. */
const RECORDS = 4096;
const FIELDS = 32 * 1024;
const RECORD_FIELDS = 8 * 1024;
/** Numbers that are noted of a record. */
const RECORD_NUMBERS = 5;

/** Where things lie. */
const STARTS = 1024;
const ENDS = STARTS + 4 * FIELDS;
const NOTES = ENDS + 4 * FIELDS;
const TEXT = NOTES + 4 * RECORD_NUMBERS * RECORDS;
/** The scan looks so far behind the text. */
const BEHIND = 32;
/** What `endOfScan` says of a record that is not well-formed. */
const ODD = -2;

interface ScanExports {
  scan(...numbers: readonly number[]): number;
  restOfScan(): number;
  endOfScan(): number;
}

const memory = new WebAssembly.Memory({ initial: Math.ceil((TEXT + 2 * PAGE_BYTES) / PAGE_BYTES) });
const code = new WebAssembly.Module(Buffer.from(SCAN_CODE, 'base64'));
const { scan, restOfScan, endOfScan } = new WebAssembly.Instance(code, { env: { memory } })
  .exports as unknown as ScanExports;

/** The memory as its users see it: fields of records that were found lie there until the next scan. */
export let view = viewOf(memory.buffer);

/** A record that was found; where it lies is told from the beginning of the text. */
export interface Found {
  /** The index in `view.starts` and `view.ends` of its first field. */
  first: number;
  count: number;
  begin: number;
  end: number;
  /** Line breaks inside quotes. */
  breaks: number;
}

/** The one record that is handed over again and again. */
const found: Found = { first: 0, count: 0, begin: 0, end: 0, breaks: 0 };

/**
 * Finds the records of a text that begins with one, until `take` returns false.
 *
 * @param input.last whether the file ends with the text
 * @returns where the first record begins that was not taken, and whether it is odd rather than open
 */
export function scanText(
  input: CsvShape & { readonly text: Buffer; readonly last: boolean },
  take: (found: Found) => boolean,
): { readonly rest: number; readonly odd: boolean } {
  const { text, last } = input;
  const delimiter = input.delimiter.charCodeAt(0);
  setText(text);
  const to = TEXT + text.length;
  let from = TEXT;
  while (from < to) {
    const records = scan(
      from,
      to,
      Number(last),
      delimiter,
      STARTS,
      ENDS,
      FIELDS,
      RECORD_FIELDS,
      NOTES,
      RECORDS,
    );
    for (let record = 0; record < records; record += 1) {
      note(record);
      if (!take(found)) return { rest: found.begin, odd: true };
    }
    from = restOfScan();
    const end = endOfScan();
    if (end < 0) return { rest: from - TEXT, odd: end === ODD };
  }
  return { rest: text.length, odd: false };
}

function note(record: number): void {
  const { notes } = view;
  const at = record * RECORD_NUMBERS;
  found.first = notes[at] ?? 0;
  found.count = notes[at + 1] ?? 0;
  found.begin = (notes[at + 2] ?? 0) - TEXT;
  found.end = (notes[at + 3] ?? 0) - TEXT;
  found.breaks = notes[at + 4] ?? 0;
}

/** Brings the text into the memory, which grows where it is too small. */
function setText(text: Buffer): void {
  const missing = TEXT + text.length + BEHIND - view.bytes.length;
  if (missing > 0) {
    memory.grow(Math.ceil(missing / PAGE_BYTES));
    view = viewOf(memory.buffer);
  }
  text.copy(view.bytes, TEXT);
}

function viewOf(buffer: ArrayBuffer): {
  readonly bytes: Buffer;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly notes: Int32Array;
} {
  return {
    bytes: Buffer.from(buffer),
    starts: new Int32Array(buffer, STARTS, FIELDS),
    ends: new Int32Array(buffer, ENDS, FIELDS),
    notes: new Int32Array(buffer, NOTES, RECORD_NUMBERS * RECORDS),
  };
}
