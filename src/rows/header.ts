import type { Column, Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { Cell } from './cell.ts';
import type { CsvRecord } from '../csv/records.ts';

/** How many unknown header names are told, and how many characters of each: no header makes a long ledger row. */
const MAX_UNKNOWN = 100;
const MAX_NAME = 100;
/** Half of a character, where the cut is in its middle. */
const HALF = /[\ud800-\udbff]$/;

/** Where a stored column stands in the file. */
export interface PlannedColumn {
  readonly name: string;
  readonly column: Column;
  /** Its field, counted from 0. */
  readonly field: number;
}

/** What the header says about every row. */
export interface HeaderPlan {
  /** How many fields a row must have. */
  readonly fields: number;
  /** The stored columns, in the order of the dataset. */
  readonly columns: readonly PlannedColumn[];
  readonly keyField: number;
  /** -1 where the dataset has no such column. */
  readonly alarmField: number;
  /** Names that the dataset does not know, as the file has them; users' text. */
  readonly unknownColumns: readonly string[];
  /** A column's name fit for a failure: the expected name, or the ordinal where it is none (`#7`). */
  columnName(field: number): string;
}

/** The last plan kept of each dataset, and the header that it is for: the small files of a stream have the same one. */
const plans = new WeakMap<Dataset, { readonly raw: Buffer; readonly plan: HeaderPlan }>();
/** A longer header is not kept. */
const MAX_KEPT_BYTES = 64 * 1024;

/**
 * Reads the header: names are trimmed, their case matters, their order does not.
 *
 * @throws TidemarkFailure SchemaMismatch, naming only columns that the dataset expects: a file without a header must
 *   not put its first row into a log.
 */
export function planHeader(dataset: Dataset, header: CsvRecord): HeaderPlan {
  const { raw } = header;
  const last = plans.get(dataset);
  if (last?.raw.equals(raw)) return last.plan;
  const plan = makePlan(dataset, header);
  if (raw.length <= MAX_KEPT_BYTES) plans.set(dataset, { raw: Buffer.from(raw), plan });
  return plan;
}

function makePlan(dataset: Dataset, header: CsvRecord): HeaderPlan {
  const found = namesIn(header);
  const { line } = header;
  const stored = Object.entries(dataset.columns);
  const { alarmColumn } = dataset;
  const alarm = alarmColumn === undefined ? [] : [alarmColumn];
  const expected = [...stored.map(([name]) => name), ...alarm, ...dataset.droppedColumns];

  const missing = expected.filter((name) => !found.includes(name));
  if (missing.length > 0) throw mismatch('the header lacks what the dataset needs', missing, line);
  const twice = expected.filter((name) => found.indexOf(name) !== found.lastIndexOf(name));
  if (twice.length > 0) throw mismatch('the header has a column more than once', twice, line);

  const known = new Set(expected);
  return {
    fields: found.length,
    columns: stored.map(([name, column]) => ({ name, column, field: found.indexOf(name) })),
    keyField: found.indexOf(dataset.primaryKey),
    alarmField: alarmColumn === undefined ? -1 : found.indexOf(alarmColumn),
    unknownColumns: found
      .filter((name) => !known.has(name))
      .slice(0, MAX_UNKNOWN)
      .map((name) => name.slice(0, MAX_NAME).replace(HALF, '')),
    columnName(field) {
      const name = found[field];
      return name !== undefined && known.has(name) ? name : `#${field + 1}`;
    },
  };
}

function namesIn(record: CsvRecord): string[] {
  const cell = new Cell();
  return Array.from({ length: record.count }, (_, field) =>
    cell.set(record.bytes, record.start(field), record.end(field)).text().trim(),
  );
}

function mismatch(what: string, columns: readonly string[], line: number): TidemarkFailure {
  return new TidemarkFailure('SchemaMismatch', what, { line, column: [...new Set(columns)].join(', ') });
}
