import type { RowSink } from './row.ts';

/** Bytes of one block: large enough that PostgreSQL's round trips cost nothing, small enough for flat memory. */
const BLOCK_BYTES = 256 * 1024;
/** What a block grows beyond that before it is written: the rows of one piece of the file. */
const OVERHANG = 128 * 1024;
/** Bytes of the first one, which grows: most files are small, and a worker reads thousands of them. */
const FIRST_BYTES = 8 * 1024;
const NO_BYTES = Buffer.alloc(0);
/** Blocks on their way at most: what can be read while PostgreSQL is busy otherwise, 9 MiB. */
const MAX_UNDERWAY = 24;
/** The longest value of a type of fixed length, with its length before it. */
const FIXED_BYTES = 12;
/** From so many bytes on the runtime's own copying is faster than a loop. */
const LONG_BYTES = 128;
/** Bytes that such a loop copies at once. */
const WORD = 4;

const MILLION = 1_000_000;
const TWO_TO_32 = 0x1_0000_0000;
/** Seconds of which the microseconds are a safe integer: 285 years on both sides of 2000. */
const SAFE_SECONDS = Number.MAX_SAFE_INTEGER / MILLION - 1;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** What every row of a file ends with, behind its line: as many values in COPY's binary form. */
export interface RowEnd {
  readonly fields: number;
  readonly bytes: Buffer;
}

const NO_ROW_END: RowEnd = { fields: 0, bytes: Buffer.alloc(0) };

/**
 * Gathers rows in PostgreSQL's COPY binary format: per row the number of its fields, per field its length and the value
 * as the type's `recv` function takes it. Checked values so written cost the server no parsing, and cannot be read by
 * it in another way than they were checked.
 *
 * Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". The signature before the first row
 * and the trailer behind the last are the sink's.
 */
export class CopyBlock {
  private readonly sink: RowSink;
  private readonly fields: number;
  private readonly rowEnd: RowEnd;
  private bytes: Buffer = NO_BYTES;
  /** The same bytes, and those that most texts are copied from: four at once. */
  private words = wordsOf(NO_BYTES);
  private source: Buffer = NO_BYTES;
  private sourceWords = this.words;
  /** How many bytes the next buffer has at least. */
  private least = FIRST_BYTES;
  private readonly free: Buffer[] = [];
  private readonly underway: Promise<unknown>[] = [];
  private failed: { readonly error: unknown } | undefined;
  private at = 0;
  /** Where the row being written begins. */
  private row = 0;

  /** @param columns stored columns of a row; its line and `rowEnd` follow */
  constructor(sink: RowSink, columns: number, rowEnd = NO_ROW_END) {
    this.sink = sink;
    this.fields = columns + 1 + rowEnd.fields;
    this.rowEnd = rowEnd;
  }

  /** Whether a block is due. */
  get full(): boolean {
    return this.row >= BLOCK_BYTES;
  }

  /** @param source where most of its texts lie */
  beginRow(source: Buffer): void {
    if (source !== this.source) {
      this.source = source;
      this.sourceWords = wordsOf(source);
    }
    this.reserve(FIXED_BYTES);
    this.bytes[this.at] = this.fields >> 8;
    this.bytes[this.at + 1] = this.fields;
    this.at += 2;
  }

  null(): void {
    this.reserve(FIXED_BYTES);
    this.int32(-1);
  }

  /** Writes a text; NULL where it is empty. */
  text(bytes: Buffer, from: number, to: number): void {
    this.reserve(4 + to - from);
    this.int32(to - from || -1);
    this.raw(bytes, from, to);
  }

  flag(value: boolean): void {
    this.reserve(FIXED_BYTES);
    this.int32(1);
    this.bytes[this.at] = value ? 1 : 0;
    this.at += 1;
  }

  /** Writes a `date`: days since 2000-01-01. */
  date(days: number): void {
    this.reserve(FIXED_BYTES);
    this.int32(4);
    this.int32(days);
  }

  /** Writes a `timestamptz`: seconds since 2000-01-01 00:00 UTC, and microseconds to be added. */
  instant(seconds: number, micros: number): void {
    this.reserve(FIXED_BYTES);
    this.int32(8);
    if (seconds > -SAFE_SECONDS && seconds < SAFE_SECONDS) {
      this.int64(seconds * MILLION + micros);
    } else {
      this.bytes.writeBigInt64BE(BigInt(seconds) * BigInt(MILLION) + BigInt(micros), this.at);
      this.at += 8;
    }
  }

  double(value: number): void {
    this.reserve(FIXED_BYTES);
    this.int32(8);
    double[0] = value;
    for (let index = 0; index < 8; index += 1) this.bytes[this.at + index] = doubleBytes[7 - index] ?? 0;
    this.at += 8;
  }

  /**
   * Begins a `numeric` of so many digits to the base of 10,000; `numericDigit` follows for each.
   *
   * @param weight the power of 10,000 that the first digit counts
   * @param scale decimal digits behind the point
   */
  numeric(digits: number, weight: number, negative: boolean, scale: number): void {
    this.reserve(12 + 2 * digits);
    this.int32(8 + 2 * digits);
    this.int16(digits);
    this.int16(weight);
    this.int16(negative ? 0x4000 : 0);
    this.int16(scale);
  }

  numericDigit(digit: number): void {
    this.int16(digit);
  }

  /** Ends the row with the line on which its record begins, a `bigint`. */
  endRow(line: number): void {
    this.reserve(FIXED_BYTES + this.rowEnd.bytes.length);
    this.int32(8);
    this.int64(line);
    if (this.rowEnd.fields > 0) this.raw(this.rowEnd.bytes, 0, this.rowEnd.bytes.length);
    this.row = this.at;
  }

  /** Takes the row back that was begun. */
  dropRow(): void {
    this.at = this.row;
  }

  /** Takes back all that was not yet handed over. */
  drop(): void {
    this.at = 0;
    this.row = 0;
  }

  /** Hands the rows over, and goes on to another buffer; resolves when there is one. */
  async flush(): Promise<void> {
    if (this.failed) throw this.failed.error;
    if (this.row === 0) return;
    const { bytes } = this;
    this.least = BLOCK_BYTES + OVERHANG;
    const written = this.sink.write(bytes.subarray(0, this.row)).then(
      () => bytes.length >= this.least && this.free.push(bytes),
      (error: unknown) => (this.failed ??= { error }),
    );
    this.underway.push(written);
    void written.then(() => this.underway.shift());
    if (this.free.length === 0 && this.underway.length >= MAX_UNDERWAY) await this.underway[0];
    // Buffers are used again: what is allocated outside of its heap makes the runtime collect garbage, at a tenth of the time.
    this.use(this.free.pop() ?? NO_BYTES);
    this.drop();
  }

  /** Hands the last rows over; resolves when the sink has taken all. */
  async end(): Promise<void> {
    await this.flush();
    await Promise.all(this.underway);
    if (this.failed) throw this.failed.error;
  }

  /** The room for what the private methods write has been made. */
  private raw(bytes: Buffer, from: number, to: number): void {
    const target = this.bytes;
    let at = this.at;
    this.at += to - from;
    if (to - from >= LONG_BYTES) {
      bytes.copy(target, at, from, to);
      return;
    }
    // The last word may have bytes of what follows, which are written over.
    if (bytes === this.source && to + WORD <= bytes.length && this.at + WORD <= target.length) {
      const { words, sourceWords } = this;
      for (let index = from; index < to; index += WORD) {
        words.setInt32(at, sourceWords.getInt32(index));
        at += WORD;
      }
      return;
    }
    for (let index = from; index < to; index += 1) {
      target[at] = bytes[index] ?? 0;
      at += 1;
    }
  }

  private int16(value: number): void {
    this.bytes[this.at] = value >> 8;
    this.bytes[this.at + 1] = value;
    this.at += 2;
  }

  private int32(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value >> 24;
    bytes[at + 1] = value >> 16;
    bytes[at + 2] = value >> 8;
    bytes[at + 3] = value;
    this.at = at + 4;
  }

  /** Writes a safe integer. */
  private int64(value: number): void {
    const high = Math.floor(value / TWO_TO_32);
    this.int32(high);
    this.int32(value - high * TWO_TO_32);
  }

  private reserve(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.least, 2 * this.bytes.length + length));
    this.bytes.copy(larger, 0, 0, this.at);
    this.use(larger);
  }

  private use(bytes: Buffer): void {
    this.bytes = bytes;
    this.words = wordsOf(bytes);
  }
}

function wordsOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
