/** The bytes that mean something in CSV. */
export const LF = 0x0a;
export const CR = 0x0d;
export const QUOTE = 0x22;
export const COMMA = 0x2c;

/** How many line feeds there are. */
export function countBreaks(bytes: Buffer): number {
  let breaks = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) breaks += 1;
  return breaks;
}
