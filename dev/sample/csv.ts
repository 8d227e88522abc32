/** Rows as a CSV file, in chunks. */

import { HEADER, type Row } from './ticket.ts';

const CHUNK_CHARACTERS = 64 * 1024;

/** The header and the rows; a cell that a row lacks is empty. */
export async function* toCsv(rows: Iterable<Partial<Row>>): AsyncGenerator<Buffer> {
  let text = `${HEADER.join(',')}\n`;
  for (const row of rows) {
    text += `${HEADER.map((column) => cell(column, row[column] ?? '')).join(',')}\n`;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

/** Like many an exporter: free text always in quotes, the rest where it must be. */
function cell(column: (typeof HEADER)[number], value: string): string {
  const text = column === 'description' || column === 'root_cause';
  return (text && value !== '') || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
