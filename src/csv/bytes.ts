/** The bytes that end a line. */
export const LF = 0x0a;
export const CR = 0x0d;

/** How many line feeds there are. */
export function countBreaks(bytes: Buffer): number {
  let breaks = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) breaks += 1;
  return breaks;
}
