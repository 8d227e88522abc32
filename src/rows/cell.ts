/** A range of bytes in a larger buffer: one field, looked at without being copied. White space is ECMAScript's. */
export class Cell {
  bytes: Buffer = Buffer.alloc(0);
  from = 0;
  to = 0;

  /** Looks at another range. */
  set(bytes: Buffer, from: number, to: number): this {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
    return this;
  }

  get length(): number {
    return this.to - this.from;
  }

  /** The byte at a place in the range; 0, which no text has, behind its end. */
  at(index: number): number {
    return this.from + index < this.to ? (this.bytes[this.from + index] ?? 0) : 0;
  }

  /** Narrows the range by the white space on both sides. */
  trim(): this {
    while (this.from < this.to && isSpace(this.bytes[this.from] ?? 0)) this.from += 1;
    while (this.from < this.to && isSpace(this.bytes[this.to - 1] ?? 0)) this.to -= 1;
    const outer = (this.bytes[this.from] ?? 0) | (this.bytes[this.to - 1] ?? 0);
    if (this.from < this.to && outer >= 0x80) this.trimText();
    return this;
  }

  /** The text that the bytes mean in UTF-8. */
  text(): string {
    return this.bytes.toString('utf8', this.from, this.to);
  }

  /** One character per byte: the same for the same bytes, and the text itself where that is ASCII. */
  ascii(): string {
    return this.bytes.toString('latin1', this.from, this.to);
  }

  /** Whether it has the same bytes. */
  equals({ bytes, from, length }: Cell): boolean {
    if (length !== this.length) return false;
    for (let at = 0; at < length; at += 1) if (bytes[from + at] !== this.bytes[this.from + at]) return false;
    return true;
  }

  startsWith(bytes: Buffer): boolean {
    if (this.at(0) !== bytes[0] || this.length < bytes.length) return false;
    return bytes.equals(this.bytes.subarray(this.from, this.from + bytes.length));
  }

  /** As `trim`, where a character beyond ASCII may be white space. */
  private trimText(): void {
    const text = this.text();
    const front = text.length - text.trimStart().length;
    this.from += Buffer.byteLength(text.slice(0, front));
    this.to = this.from + Buffer.byteLength(text.trim());
  }
}

function isSpace(byte: number): boolean {
  return byte <= 0x20 && (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
}
