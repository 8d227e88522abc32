import type { Cell } from './cell.ts';
import type { RowSink } from './row.ts';

/** Bytes of one block: large enough that PostgreSQL's round trips cost nothing, small enough for flat memory. */
const BLOCK_BYTES = 256 * 1024;
/** What a block grows beyond that before it is written: the rows of one piece of the file. */
const OVERHANG = 128 * 1024;
/** Bytes of the first one, which grows: most files are small, and a worker reads thousands of them. */
const FIRST_BYTES = 8 * 1024;
const NO_BYTES = Buffer.alloc(0);

const TAB = 0x09;
const LF = 0x0a;
const BACKSLASH = 0x5c;
const UPPER_N = 0x4e;
const ZERO = 0x30;
/** Of a safe integer. */
const MAX_DIGITS = 16;
/** What may not stand in a cell as it is: the letter that stands for it behind a backslash. */
const ESCAPES = new Uint8Array(256);
ESCAPES[BACKSLASH] = BACKSLASH;
ESCAPES[TAB] = 't'.charCodeAt(0);
ESCAPES[LF] = 'n'.charCodeAt(0);
ESCAPES[0x0d] = 'r'.charCodeAt(0);

/** Gathers rows in PostgreSQL's COPY text format: cells between tabs, one row a line, `\N` for NULL. */
export class CopyBlock {
  private readonly sink: RowSink;
  private bytes = NO_BYTES;
  /** How many bytes the next buffer has at least. */
  private least = FIRST_BYTES;
  private at = 0;
  /** Where the row being written begins. */
  private row = 0;

  constructor(sink: RowSink) {
    this.sink = sink;
  }

  /** Whether a block is due. */
  get full(): boolean {
    return this.row >= BLOCK_BYTES;
  }

  /** Writes a cell that holds a text. */
  text(cell: Cell): void {
    const { bytes, to } = cell;
    this.reserve(2 * cell.length);
    const target = this.bytes;
    let at = this.at;
    for (let from = cell.from; from < to; from += 1) {
      const byte = bytes[from] ?? 0;
      const escape = ESCAPES[byte] ?? 0;
      if (escape !== 0) {
        target[at] = BACKSLASH;
        target[at + 1] = escape;
        at += 2;
      } else {
        target[at] = byte;
        at += 1;
      }
    }
    this.endCell(at);
  }

  /** Writes a cell of which no byte needs an escape. */
  plain(cell: Cell): void {
    const { bytes, to } = cell;
    this.reserve(cell.length);
    const target = this.bytes;
    let at = this.at;
    for (let from = cell.from; from < to; from += 1) {
      target[at] = bytes[from] ?? 0;
      at += 1;
    }
    this.endCell(at);
  }

  /** Writes a cell of ASCII that needs no escape. */
  ascii(text: string): void {
    this.reserve(text.length);
    this.endCell(this.at + this.bytes.write(text, this.at, 'latin1'));
  }

  /** Writes a cell of one byte that needs no escape. */
  byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.at] = byte;
    this.endCell(this.at + 1);
  }

  null(): void {
    this.reserve(2);
    this.bytes[this.at] = BACKSLASH;
    this.bytes[this.at + 1] = UPPER_N;
    this.endCell(this.at + 2);
  }

  /** Ends the row with a number, a positive integer. */
  endRow(line: number): void {
    this.reserve(MAX_DIGITS);
    let digits = 1;
    for (let rest = line; rest >= 10; rest /= 10) digits += 1;
    let rest = line;
    for (let at = this.at + digits - 1; at >= this.at; at -= 1) {
      const next = Math.floor(rest / 10);
      this.bytes[at] = ZERO + rest - 10 * next;
      rest = next;
    }
    this.at += digits;
    this.bytes[this.at] = LF;
    this.at += 1;
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

  /** Hands the rows over; resolves when more is welcome. */
  async flush(): Promise<void> {
    if (this.row === 0) return;
    const block = this.bytes.subarray(0, this.row);
    // A new buffer, if need be: the sink may hold the old one for longer than it makes us wait.
    this.bytes = NO_BYTES;
    this.least = BLOCK_BYTES + OVERHANG;
    this.drop();
    await this.sink.write(block);
  }

  private endCell(at: number): void {
    this.bytes[at] = TAB;
    this.at = at + 1;
  }

  /** Makes room for so many bytes and what ends a cell or a row. */
  private reserve(length: number): void {
    if (this.at + length + 2 <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.least, 2 * this.bytes.length + length + 2));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
