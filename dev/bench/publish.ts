/** Where a report goes: files of its own, and the tables of the documents. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { toJson, toMarkdown, type Report } from './report.ts';

/** Between these two comments a document's table stands. */
const BEGIN = '<!-- npm run bench -- --publish: begin -->';
const END = '<!-- npm run bench -- --publish: end -->';

/** The documents with a table, and which one. */
const DOCUMENTS = { 'README.md': 'goals', 'docs/performance.md': 'all' } as const;

/** Writes a report as JSON and as Markdown. @returns the files */
export async function writeResults(report: Report, directory: string): Promise<string[]> {
  const name = report.smoke ? 'smoke' : 'bench';
  const [json, markdown] = [join(directory, `${name}.json`), join(directory, `${name}.md`)];
  await mkdir(directory, { recursive: true });
  await writeFile(json, toJson(report));
  await writeFile(markdown, `${toMarkdown(report)}\n`);
  return [json, markdown];
}

/** Puts a report's tables into the documents, formatted as `npm run check` wants them. @returns the documents */
export async function publish(report: Report): Promise<string[]> {
  for (const [name, which] of Object.entries(DOCUMENTS)) {
    const path = fileURLToPath(new URL(`../../${name}`, import.meta.url));
    const text = replaceTable(await readFile(path, 'utf8'), toMarkdown(report, which));
    await writeFile(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
  }
  return Object.keys(DOCUMENTS);
}

/** @throws where the document has no place for a table */
export function replaceTable(document: string, table: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the document lacks the comments ${BEGIN} and ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${document.slice(end)}`;
}
