import { changeFileRecords } from '../../src/csv/changeFileRecords.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { readChangeFile, type ReadChangeFileInput } from '../../src/rows/readFile.ts';
import type { Reading } from '../../src/rows/row.ts';
import type { ZoneHistory } from '../../src/rows/zone.ts';
import { copyRows } from './copyBinary.ts';
import type { NaiveRow } from './naiveReading.ts';

/** A dataset with a column of every kind, small enough to write its files by hand. */
export const specimen: Dataset = {
  name: 'specimen',
  enabled: false,
  changesPrefix: 'automations/specimen/changes/',
  processedPrefix: 'automations/specimen/processed/',
  skippedPrefix: 'automations/specimen/skipped/',
  table: 'specimen',
  primaryKey: 'ticket_id',
  versionColumn: 'at',
  columns: {
    ticket_id: { type: 'text' },
    title: { type: 'text' },
    status: { type: 'text', canonical: { values: ['Open', 'In Progress'], separators: true } },
    region: { type: 'text', canonical: { values: ['Nairobi', 'Rift Valley'], separators: false } },
    at: { type: 'timestamptz' },
    week: { type: 'date' },
    latitude: { type: 'double precision' },
    mttr: { type: 'numeric' },
    breached: { type: 'boolean' },
    hours: { type: 'numeric', onInvalid: 'null' },
  },
  alarmColumn: 'is_alarm',
  droppedColumns: ['source'],
  sentinel: 'EXPORT STOPPED',
  maxRejects: 0,
  minBaselineRows: 0,
  latePolicy: 'hold',
  settleMs: 0,
  archive: true,
  cron: '*/5 * * * *',
  timeZone: 'Africa/Nairobi',
};

/** Nairobi as the naive reader has it: right from 1960 on. */
export const NAIROBI: ZoneHistory = { changes: [{ from: -Infinity, east: 10_800 }] };

/** All columns that a file of the dataset must have. */
export function fileColumns(dataset: Dataset): string[] {
  return [...Object.keys(dataset.columns), ...[dataset.alarmColumn ?? []].flat(), ...dataset.droppedColumns];
}

/** A file's text: the header and one line a row, cells quoted where they must be. Missing cells are empty. */
export function fileText(
  dataset: Dataset,
  rows: readonly Readonly<Record<string, string>>[],
  newline = '\n',
): string {
  const columns = fileColumns(dataset);
  const lines = rows.map((row) => columns.map((column) => quoted(row[column] ?? '')).join(','));
  return [columns.join(','), ...lines].map((line) => line + newline).join('');
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** What came of a reading: what was found and written, or what was thrown. */
export interface Outcome {
  readonly reading?: Reading;
  readonly failure?: TidemarkFailure;
  /** The rows written, with values as the naive reader gives them. */
  readonly rows: readonly NaiveRow[];
  /** The blocks as they were written. */
  readonly blocks: readonly Buffer[];
}

/** Reads a file, cut into chunks at the given positions, and gathers what the sink gets. */
export async function outcomeOf(
  dataset: Dataset,
  file: string | Buffer,
  options: {
    readonly cuts?: readonly number[];
    readonly key?: string;
    readonly records?: Required<ReadChangeFileInput>['records'];
  } = {},
): Promise<Outcome> {
  const blocks: Buffer[] = [];
  const sink = { write: async (block: Buffer) => void blocks.push(Buffer.from(block)) };
  const chunks = cut(Buffer.from(file), options.cuts ?? []);
  // Every chunk is scanned at once: what is cut in two shall be seen in two.
  const records =
    options.records ?? ((handler, shape) => changeFileRecords(handler, { ...shape, scanAt: 1 }));
  try {
    const reading = await readChangeFile({
      dataset,
      key: options.key ?? 'changes.csv',
      zone: NAIROBI,
      chunks,
      sink,
      records,
    });
    return { reading, blocks, rows: copyRows(dataset, Buffer.concat(blocks)) };
  } catch (failure) {
    if (!(failure instanceof TidemarkFailure)) throw failure;
    return { failure, blocks, rows: copyRows(dataset, Buffer.concat(blocks)) };
  }
}

/** The bytes, cut before each of the positions. */
export async function* cut(bytes: Buffer, positions: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const position of [...positions, bytes.length].toSorted((one, other) => one - other)) {
    yield Buffer.from(bytes.subarray(at, position));
    at = position;
  }
}
