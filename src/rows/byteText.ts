/** Byte strings (one character per byte) and the text that they mean in UTF-8. White space is ECMAScript's. */

const NOT_ASCII = /[\x80-\xff]/;

/** The text that a byte string means. */
export function decode(bytes: string): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** The byte string of a text. */
export function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/**
 * A byte string without the white space around it.
 *
 * Not simply `trim()`: the byte A0, the second one of `à`, would be taken for a no-break space.
 */
export function trimBytes(bytes: string): string {
  if (isInk(bytes.charCodeAt(0)) && isInk(bytes.charCodeAt(bytes.length - 1))) return bytes;
  return NOT_ASCII.test(bytes) ? encode(decode(bytes).trim()) : bytes.trim();
}

/** Whether a byte string is empty or only white space. */
export function isBlank(bytes: string): boolean {
  return trimBytes(bytes) === '';
}

/** An ASCII byte that is no white space, and no part of it. */
function isInk(code: number): boolean {
  return code > 0x20 && code < 0x80;
}
