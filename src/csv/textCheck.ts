import { isUtf8 } from 'node:buffer';

/** Whether a stream of bytes is UTF-8 text without NUL, told chunk by chunk: a character may span two chunks. */
export class TextCheck {
  /** The first bytes of a character that the next chunk must complete. */
  private begun: Buffer = Buffer.alloc(0);

  /** Whether the text is still good with these bytes after all before. */
  take(bytes: Buffer): boolean {
    const joined = this.begun.length > 0 ? Buffer.concat([this.begun, bytes]) : bytes;
    const whole = joined.length - begunAtTheEnd(joined);
    // A copy, not a view: a view would keep the chunk alive.
    this.begun = Buffer.from(joined.subarray(whole));
    return isUtf8(joined.subarray(0, whole)) && !bytes.includes(0);
  }

  /** Whether the text ends with a whole character. */
  end(): boolean {
    return this.begun.length === 0;
  }
}

/** What is wrong with the text of one field, if anything is. */
export function textFault(field: string): { what: string; code: string } | undefined {
  if (field.includes('\0')) return { what: 'there is a NUL byte', code: 'NUL' };
  if (!isUtf8(Buffer.from(field, 'latin1')))
    return { what: 'there are bytes that are no UTF-8', code: 'UTF8' };
  return undefined;
}

/** How many bytes at the end begin a character that is longer; 0 to 3. */
function begunAtTheEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return lengthByLead(byte) > back ? back : 0;
  }
  return 0;
}

function lengthByLead(byte: number): number {
  if (byte >= 0xf0) return 4;
  return byte >= 0xe0 ? 3 : 2;
}
