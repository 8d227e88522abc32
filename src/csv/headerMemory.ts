/**
 * The last header that csv-parse read. The files of a stream begin with the same bytes, and of the same bytes it says
 * the same: for a small file, reading the header anew would take as long as reading all its rows.
 */

import { LF } from './bytes.ts';
import type { CsvRecord, CsvShape } from './records.ts';
import { RecordView } from './recordView.ts';

interface KnownHeader extends CsvShape {
  /** All bytes up to the end of its line break. */
  readonly bytes: Buffer;
  readonly record: CsvRecord;
}

/** A longer one is not kept. */
const MAX_BYTES = 64 * 1024;

let last: KnownHeader | undefined;

/** The header that these bytes, a file's first ones, are known to begin with. */
export function knownHeader(bytes: Buffer, { delimiter }: CsvShape): KnownHeader | undefined {
  if (last?.delimiter !== delimiter || bytes.length < last.bytes.length) return undefined;
  return last.bytes.equals(bytes.subarray(0, last.bytes.length)) ? last : undefined;
}

/**
 * Remembers a header, which csv-parse has just told from the bytes that a file begins with. One that only the end of the
 * file ended is not remembered: in another file it might go on.
 */
export function rememberHeader(bytes: Buffer, record: CsvRecord, { delimiter }: CsvShape): void {
  if (bytes.length > MAX_BYTES || bytes.at(-1) !== LF) return;
  last = { delimiter, bytes: Buffer.from(bytes), record };
}

/** A record that stays valid. */
export function copyOf(record: CsvRecord): CsvRecord {
  const copy = new RecordView();
  copy.line = record.line;
  copy.bytes = Buffer.from(record.bytes);
  copy.rawBytes = Buffer.from(record.raw);
  copy.rawEnd = copy.rawBytes.length;
  for (let field = 0; field < record.count; field += 1) copy.add(record.start(field), record.end(field));
  return copy;
}
