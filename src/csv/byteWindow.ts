/** The bytes of a stream from some offset on, kept for as long as they may be needed. Offsets count from its start. */
export class ByteWindow {
  private buffer = Buffer.allocUnsafe(64 * 1024);
  private from = 0;
  private to = 0;
  private dropped = 0;

  /** The offset of the first byte kept. */
  get start(): number {
    return this.dropped;
  }

  /** The offset behind the last byte. */
  get end(): number {
    return this.dropped + this.to - this.from;
  }

  append(bytes: Buffer): void {
    if (this.to + bytes.length > this.buffer.length) this.makeRoom(bytes.length);
    this.to += bytes.copy(this.buffer, this.to);
  }

  /** The byte at an offset; undefined beyond the end. */
  at(offset: number): number | undefined {
    return offset < this.end ? this.buffer[this.from + offset - this.dropped] : undefined;
  }

  /** A view that is valid until the next `append`. */
  view(begin: number, end: number): Buffer {
    return this.buffer.subarray(this.from + begin - this.dropped, this.from + end - this.dropped);
  }

  /** Forgets the bytes before an offset. */
  dropTo(offset: number): void {
    this.from += offset - this.dropped;
    this.dropped = offset;
  }

  /** Moves what is kept to the front, of a buffer twice as large where that isn't room enough. */
  private makeRoom(bytes: number): void {
    const kept = this.to - this.from;
    const size = Math.max(this.buffer.length, 2 ** Math.ceil(Math.log2((kept + bytes) * 2)));
    const target = size > this.buffer.length ? Buffer.allocUnsafe(size) : this.buffer;
    this.buffer.copy(target, 0, this.from, this.to);
    this.buffer = target;
    this.from = 0;
    this.to = kept;
  }
}
