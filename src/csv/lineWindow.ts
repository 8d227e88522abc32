import { countBreaks, CR, LF } from './bytes.ts';

/** The bytes of a stream from some offset on, and the line on which they begin. Offsets count from its start. */
export class LineWindow {
  /** The offset of the first byte that is kept. */
  start = 0;
  /** The line on which that byte is. */
  line: number;
  private buffer = Buffer.allocUnsafe(64 * 1024);
  private from = 0;
  private to = 0;

  constructor(firstLine: number) {
    this.line = firstLine;
  }

  /** How many bytes are kept. */
  get length(): number {
    return this.to - this.from;
  }

  append(bytes: Buffer): void {
    if (this.to + bytes.length > this.buffer.length) this.makeRoom(bytes.length);
    this.to += bytes.copy(this.buffer, this.to);
  }

  /** What is kept before an offset, the line break at its end left out; valid until the next `append`. */
  textBefore(end: number): Buffer {
    const bytes = this.view(end);
    if (bytes.at(-1) !== LF) return bytes;
    return bytes.subarray(0, bytes.at(-2) === CR ? -2 : -1);
  }

  /** Forgets what is before an offset, and counts its lines. */
  passTo(end: number): void {
    this.line += countBreaks(this.view(end));
    this.from += end - this.start;
    this.start = end;
  }

  /** Forgets the empty lines at the front. */
  passEmptyLines(): void {
    const { buffer, to } = this;
    let at = this.from;
    for (;;) {
      if (at < to && buffer[at] === LF) at += 1;
      else if (at + 1 < to && buffer[at] === CR && buffer[at + 1] === LF) at += 2;
      else break;
    }
    this.passTo(this.start + at - this.from);
  }

  private view(end: number): Buffer {
    return this.buffer.subarray(this.from, this.from + end - this.start);
  }

  /** Moves what is kept to the front, of a buffer twice as large where that isn't room enough. */
  private makeRoom(bytes: number): void {
    const kept = this.length;
    const enough = 2 * (kept + bytes);
    const target = enough > this.buffer.length ? Buffer.allocUnsafe(2 * enough) : this.buffer;
    this.buffer.copy(target, 0, this.from, this.to);
    this.buffer = target;
    this.from = 0;
    this.to = kept;
  }
}
