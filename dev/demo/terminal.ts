/** What a person sees: numbered steps with timings, aligned tables, human numbers. */

import { clearLine, cursorTo } from 'node:readline';

/** How a column's cells stand. */
export interface TableColumn {
  readonly title: string;
  readonly width: number;
  readonly align: 'left' | 'right';
}

const out = process.stdout;
/** https://no-color.org: any value but the empty one. */
const colours = out.isTTY && !process.env['NO_COLOR'];
const paint = (code: number, text: string): string => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
const DOT_MS = 200;

export const bold = (text: string): string => paint(1, text);
export const dim = (text: string): string => paint(2, text);
export const red = (text: string): string => paint(31, text);
export const green = (text: string): string => paint(32, text);

let stepNumber = 0;
let waiting: NodeJS.Timeout | undefined;

/** A line of its own. */
export function say(text = ''): void {
  hush();
  out.write(`${text}\n`);
}

/** A line below a step. */
export function detail(text: string): void {
  say(`     ${text}`);
}

/** Runs a step under its title, and says how long it took. */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  say(`\n${bold(`${String(++stepNumber).padStart(2)}.`)} ${bold(title)}`);
  const result = await work();
  detail(dim(`done in ${seconds((performance.now() - started) / 1000)}`));
  return result;
}

/** Shows on a terminal that something is being waited for, until the next line. Says nothing elsewhere. */
export function wait(text: string): void {
  hush();
  if (!out.isTTY) return;
  const started = performance.now();
  const show = (): void => {
    cursorTo(out, 0);
    out.write(dim(`     ${text} ... ${((performance.now() - started) / 1000).toFixed(1)} s`));
  };
  show();
  waiting = setInterval(show, DOT_MS);
}

/** The waiting is over: takes its line away. */
function hush(): void {
  if (!waiting) return;
  clearInterval(waiting);
  waiting = undefined;
  clearLine(out, 0);
  cursorTo(out, 0);
}

/** One line of a table: the titles where no cells are given. */
export function tableLine(columns: readonly TableColumn[], cells?: readonly string[]): string {
  const line = columns.map(({ title, width, align }, index) => {
    const text = cells ? (cells[index] ?? '') : title;
    return align === 'left' ? text.padEnd(width) : text.padStart(width);
  });
  const text = line.join('  ').trimEnd();
  return cells ? text : dim(text);
}

/** `34,849` */
export function count(value: number): string {
  return value.toLocaleString('en');
}

/** `14.9 MB`, `57.8 kB`, `887 bytes` */
export function size(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} bytes`;
}

/** `3.42 s`, `12 s` */
export function seconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} s`;
}
