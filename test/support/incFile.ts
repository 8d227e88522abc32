/** Small files of the dataset `inc`, written by hand. */

import { inc } from '../../src/datasets/inc.ts';
import { HUSH } from './hush.ts';
import { fileColumns } from './reading.ts';

/** The columns of a file, in the exporter's order. */
export const INC_COLUMNS: readonly string[] = fileColumns(inc);

/** Cells by column; the others get a value that no log may show, or stay empty where they are typed. */
export type Cells = Readonly<Record<string, string>>;

/** How a file is written. */
export interface FileShape {
  readonly columns?: readonly string[];
  readonly eol?: '\n' | '\r\n';
  readonly bom?: boolean;
  readonly lastEol?: boolean;
}

/** A file of these rows. */
export function incFile(rows: readonly Cells[], shape: FileShape = {}): string {
  const { columns = INC_COLUMNS, eol = '\n', bom = false, lastEol = true } = shape;
  const lines = [columns.join(','), ...rows.map((row) => incLine(row, columns))];
  return `${bom ? '\uFEFF' : ''}${lines.join(eol)}${lastEol ? eol : ''}`;
}

/** One line of a file, cells quoted where they must be. */
export function incLine(row: Cells, columns: readonly string[] = INC_COLUMNS): string {
  return columns.map((column) => quote(row[column] ?? defaultCell(column))).join(',');
}

function defaultCell(column: string): string {
  const definition = inc.columns[column];
  if (!definition || definition.type !== 'text' || definition.canonical) return '';
  return `${HUSH} ${column}`;
}

function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** The nth change file's name of a day in the past, in order. */
export function fileName(n: number): string {
  const minute = String(n % 60).padStart(2, '0');
  const hour = String(Math.floor(n / 60)).padStart(2, '0');
  return `2026-03-01T${hour}-${minute}-00.csv`;
}
