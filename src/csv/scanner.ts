import { type CsvShape, MAX_RECORD_BYTES, type RecordHandler } from './records.ts';
import { RecordView } from './recordView.ts';
import { type Found, scanText, view } from './scanMemory.ts';

/**
 * Cuts records by a compiled loop over the bytes, many times as fast as csv-parse. It knows well-formed CSV of bounded
 * records only, and says so at the first record that is anything else: csv-parse then judges, from that record on.
 *
 * The bytes must be text that was checked; NUL, for one, has no place in it.
 */
export class Scanner {
  private readonly handler: RecordHandler;
  private readonly record = new RecordView();
  private readonly delimiter: string;
  /** What is to be scanned, from the beginning of a record on. */
  private bytes = Buffer.alloc(0);
  private length = 0;
  /** The line on which the bytes begin. */
  private line: number;

  constructor(handler: RecordHandler, { delimiter }: CsvShape, firstLine: number) {
    this.handler = handler;
    this.delimiter = delimiter;
    this.line = firstLine;
  }

  /** The bytes that are not yet handed over as records, and the line on which they begin. */
  get rest(): { readonly bytes: Buffer; readonly line: number } {
    return { bytes: this.bytes.subarray(0, this.length), line: this.line };
  }

  /** Adds bytes, and hands over nothing yet. */
  append(bytes: Buffer): void {
    const length = this.length + bytes.length;
    if (this.bytes.length < length) {
      const larger = Buffer.allocUnsafe(2 * length);
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, this.length);
    this.length = length;
  }

  /**
   * Hands over the records that end in the bytes; with `last` also one that only the end of the file ends.
   *
   * @returns `odd` where it is at a loss with what is left, else `more`.
   */
  scan({ last }: { readonly last: boolean }): 'more' | 'odd' {
    const { record } = this;
    record.rawBytes = this.bytes;
    const text = this.bytes.subarray(0, this.length);
    const { rest, odd } = scanText({ delimiter: this.delimiter, text, last }, (found) => this.take(found));
    this.bytes.copy(this.bytes, 0, rest, this.length);
    this.length -= rest;
    return odd || this.length > MAX_RECORD_BYTES ? 'odd' : 'more';
  }

  /** Hands over one record or an empty line. @returns whether it is short enough */
  private take({ first, count, begin, end, breaks }: Found): boolean {
    const { record } = this;
    if (end - begin > MAX_RECORD_BYTES) return false;
    if (end > begin) {
      record.bytes = view.bytes;
      record.starts = view.starts;
      record.ends = view.ends;
      record.first = first;
      record.count = count;
      record.line = this.line;
      record.rawStart = begin;
      record.rawEnd = end;
      if (!record.isBlank) this.handler(record);
    }
    this.line += breaks + 1;
    return true;
  }
}
