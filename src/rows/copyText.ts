/** PostgreSQL's COPY text format: cells between tabs, one row a line, `\N` for NULL. All strings are byte strings. */

export const COPY_NULL = '\\N';

/** What may not stand in a cell as it is. */
const SPECIAL = /[\\\t\n\r]/;
const SPECIALS = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** A text as a cell. */
export function copyCell(bytes: string): string {
  return SPECIAL.test(bytes) ? bytes.replace(SPECIALS, (special) => ESCAPES[special] ?? special) : bytes;
}
