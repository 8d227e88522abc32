import type { Encoding } from '../datasets/dataset.ts';

/** A byte that no UTF-8 has: it stands for what is no character, so that the CSV reader says where it is. */
const NO_TEXT = Buffer.from([0xff]);

/** What windows-1252 has where ISO 8859-1 has control characters, from 0x80 on; five bytes mean nothing. */
const WINDOWS_1252 = '€\uffff‚ƒ„…†‡ˆ‰Š‹Œ\uffffŽ\uffff\uffff‘’“”•–—˜™š›œ\uffffžŸ';

/** Brings text of another encoding into UTF-8, chunk by chunk. What is no text becomes a byte that is no UTF-8. */
export async function* toUtf8(
  chunks: AsyncIterable<Buffer>,
  encoding: Exclude<Encoding, 'utf-8'>,
): AsyncGenerator<Buffer, void> {
  if (encoding === 'utf-16le') return yield* fromUtf16(chunks);
  for await (const chunk of chunks) {
    const text = chunk.toString('latin1');
    yield encoding === 'latin1' ? Buffer.from(text) : fromWindows1252(text);
  }
}

function fromWindows1252(latin1: string): Buffer {
  const text = latin1.replaceAll(
    /[\u0080-\u009f]/g,
    (control) => WINDOWS_1252[control.charCodeAt(0) - 0x80] ?? '',
  );
  return withoutText(text, /\uffff/);
}

async function* fromUtf16(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  /** A byte, or the first half of a character, that the next chunk must complete. */
  let begun: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = begun.length > 0 ? Buffer.concat([begun, chunk]) : chunk;
    let whole = bytes.length - (bytes.length % 2);
    if (whole >= 2 && isHighSurrogate(bytes.readUInt16LE(whole - 2))) whole -= 2;
    begun = Buffer.from(bytes.subarray(whole));
    const text = bytes.toString('utf16le', 0, whole);
    yield withoutText(text, /\p{Surrogate}/u);
  }
  if (begun.length > 0) yield NO_TEXT;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** The text in UTF-8, a byte that is none in the place of what is no text. */
function withoutText(text: string, none: RegExp): Buffer {
  if (!none.test(text)) return Buffer.from(text);
  return Buffer.concat(
    text.split(none).flatMap((part, i) => (i === 0 ? [] : [NO_TEXT]).concat(Buffer.from(part))),
  );
}
