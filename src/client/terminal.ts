/** What goes to the terminal: results on stdout, the rest on stderr, nothing in them that the terminal would obey. */

import { styleText } from 'node:util';

/** Control characters, and what is not seen: marks that reorder, hide or join what stands beside them, line ends. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A text of foreign origin, fit for a terminal and for one line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => SHORT[char] ?? escaped(char));
}

/** A character as JSON may write it: one or two escapes. */
function escaped(char: string): string {
  return char
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** Prints a line of a result. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Prints a result as one JSON document. */
export function printJson(value: unknown): void {
  // What JSON lets through and a terminal obeys is written as JSON's own escape: the same document.
  print(
    JSON.stringify(value, null, 2).replace(UNPRINTABLE, (char) => (char === '\n' ? char : escaped(char))),
  );
}

/** Says something that is no result. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A reader that has seen enough (`| head`) closes the pipe: nothing to report, and no reason to stop half way. */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!('code' in error) || error.code !== 'EPIPE') throw error;
    });
  }
}

/** Colours a text where stdout is a terminal that has colours and NO_COLOR is unset. */
export function styled(style: 'bold' | 'dim' | 'red' | 'yellow' | 'green', text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(style, text) : text;
}

/** A column of a table: its heading, and on which side its cells line up. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
}

/** Prints aligned rows below their headings. Cells of foreign origin must be `printable`. */
export function printTable(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return columns[i]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  print(styled('bold', line(columns.map(({ title }) => title))));
  for (const row of rows) print(line(row));
}

/** A count for people: `1,234,567`. */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** `1 file`, `2 files`. */
export function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** A time for people, in a zone: `2026-06-22 13:05:10`. */
export function localTime(time: Date | string | null | undefined, timeZone: string): string {
  if (time === null || time === undefined) return '-';
  // Swedish writes ISO dates.
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(
    new Date(time),
  );
}

/** A length of time for people: `3 min`. */
export function ago(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 2 * 3600) return `${Math.round(s / 60)} min`;
  if (s < 2 * 86_400) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} days`;
}
