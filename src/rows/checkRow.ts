import type { Dataset } from '../datasets/dataset.ts';
import { canonicalReader } from './canonical.ts';
import { Cell } from './cell.ts';
import { CELL_READERS, type CellReader, KEY_REASON, readKey, REASONS } from './cells.ts';
import type { CopyBlock } from './copyBlock.ts';
import { readFlag } from './flags.ts';
import type { HeaderPlan, PlannedColumn } from './header.ts';
import type { CsvRecord } from './records.ts';

/** What a row is: kept, dropped by rule, or refused. */
export type Verdict = 'row' | 'alarm' | 'sentinel' | Refusal;

/** Why a row is refused. */
export interface Refusal {
  /** A fixed phrase, without values. */
  readonly reason: string;
  readonly column?: string;
}

/** Counts by column, of the rows that are kept. */
export interface ValueCounts {
  readonly unknownValues: Record<string, number>;
  readonly nulled: Record<string, number>;
}

/** How one stored column is read. */
interface ColumnReader {
  readonly field: number;
  readonly read: CellReader;
  readonly refusal: Refusal;
}

/**
 * The checks of a row, in the order that DESIGN 3.3 gives.
 *
 * @param counts grows with every row that is kept.
 * @returns judges a record, and writes it where it is kept.
 */
export function rowChecker(input: {
  readonly dataset: Dataset;
  readonly plan: HeaderPlan;
  readonly counts: ValueCounts;
  readonly out: CopyBlock;
}): (record: CsvRecord) => Verdict {
  const { dataset, plan, counts, out } = input;
  const sentinel = Buffer.from(dataset.sentinel);
  const noFlag: Refusal = { reason: REASONS.boolean, column: dataset.alarmColumn };
  /** What to count if the row is kept: the cells after this one may still refuse it. */
  const odd: { counter: Record<string, number>; name: string }[] = [];
  const columns = plan.columns.map((planned) => columnReader(planned));
  const cell = new Cell();

  function columnReader(planned: PlannedColumn): ColumnReader {
    const { name, field, column } = planned;
    if (name === dataset.primaryKey)
      return { field, read: readKey, refusal: { reason: KEY_REASON, column: name } };
    const refusal = { reason: REASONS[column.type], column: name };
    if (column.canonical) return { field, read: canonical(name, column.canonical), refusal };
    const read = CELL_READERS[column.type];
    return { field, read: column.onInvalid === 'null' ? lenient(name, read) : read, refusal };
  }

  function canonical(name: string, values: NonNullable<PlannedColumn['column']['canonical']>): CellReader {
    const read = canonicalReader(values);
    return (some) => {
      const { value, known } = read(some);
      if (!known) odd.push({ counter: counts.unknownValues, name });
      return CELL_READERS.text(value, out);
    };
  }

  function lenient(name: string, read: CellReader): CellReader {
    return (some) => {
      if (read(some, out)) return true;
      odd.push({ counter: counts.nulled, name });
      out.null();
      return true;
    };
  }

  function field(record: CsvRecord, at: number): Cell {
    return cell.set(record.bytes, record.starts[at] ?? 0, record.ends[at] ?? 0);
  }

  function isSentinel(record: CsvRecord): boolean {
    const at = record.count === 1 ? 0 : plan.keyField;
    return at < record.count && field(record, at).trim().startsWith(sentinel);
  }

  function writeRow(record: CsvRecord): Verdict {
    odd.length = 0;
    for (const column of columns) {
      if (column.read(field(record, column.field), out)) continue;
      out.dropRow();
      return column.refusal;
    }
    out.endRow(record.line);
    for (const { counter, name } of odd) counter[name] = (counter[name] ?? 0) + 1;
    return 'row';
  }

  return (record) => {
    if (isSentinel(record)) return 'sentinel';
    if (record.count !== plan.fields) return { reason: wrongCount(record.count, plan.fields) };
    const flag = field(record, plan.alarmField).trim();
    const alarm = flag.length > 0 && readFlag(flag);
    if (alarm === undefined) return noFlag;
    return alarm ? 'alarm' : writeRow(record);
  };
}

function wrongCount(found: number, expected: number): string {
  return `${found} ${found === 1 ? 'field' : 'fields'}, the header has ${expected}`;
}
