import type { CsvRecord } from './records.ts';

const FIRST_CAPACITY = 64;
const NO_BYTES = Buffer.alloc(0);
/** Of a record without fields of its own: the scanner brings its places with it. */
const NO_PLACES = new Int32Array(0);

/** The one record that a source hands over again and again. */
export class RecordView implements CsvRecord {
  line = 0;
  count = 0;
  /** Where its fields begin in `starts` and `ends`. */
  first = 0;
  bytes: Buffer = NO_BYTES;
  starts: Int32Array = NO_PLACES;
  ends: Int32Array = NO_PLACES;
  /** Where the record's own bytes are, as they stand in the file. */
  rawBytes: Buffer = this.bytes;
  rawStart = 0;
  rawEnd = 0;

  start(field: number): number {
    return this.starts[this.first + field] ?? 0;
  }

  end(field: number): number {
    return this.ends[this.first + field] ?? 0;
  }

  get raw(): Buffer {
    return this.rawBytes.subarray(this.rawStart, this.rawEnd);
  }

  add(start: number, end: number): void {
    if (this.count === this.starts.length) this.grow();
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.count += 1;
  }

  /** Whether it is a line of white space without quotes: a quoted field is longer in the file than its value. */
  get isBlank(): boolean {
    if (this.count !== 1) return false;
    const start = this.start(0);
    const end = this.end(0);
    if (end - start !== this.rawEnd - this.rawStart) return false;
    const first = this.bytes[start] ?? 0;
    // Visible ASCII settles it without a look at the rest.
    return !(first > 0x20 && first < 0x80) && this.bytes.toString('utf8', start, end).trim() === '';
  }

  private grow(): void {
    const [starts, ends] = [this.starts, this.ends];
    const capacity = Math.max(FIRST_CAPACITY, 2 * starts.length);
    this.starts = new Int32Array(capacity);
    this.ends = new Int32Array(capacity);
    this.starts.set(starts);
    this.ends.set(ends);
  }
}
