import type { Dataset } from '../datasets/dataset.ts';
import { type CanonicalReader, canonicalReader } from './canonical.ts';
import { Cell } from './cell.ts';
import { type CellReader, cellReaders, KEY_REASON, readKey, REASONS } from './cells.ts';
import type { CopyBlock } from './copyBlock.ts';
import { readFlag } from './flags.ts';
import type { HeaderPlan, PlannedColumn } from './header.ts';
import type { KeyFilter } from './keyFilter.ts';
import type { CsvRecord } from '../csv/records.ts';
import type { ZoneHistory } from './zone.ts';

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
  /** None for a plain text, which is stored as it is: half of all cells, so without a call. */
  readonly read: CellReader | undefined;
  readonly refusal: Refusal;
}

interface RowCheckerInput {
  readonly dataset: Dataset;
  readonly plan: HeaderPlan;
  /** Grows with every row that is kept. */
  readonly counts: ValueCounts;
  /** Where kept rows are written. */
  readonly out: CopyBlock;
  readonly zone: ZoneHistory;
  /** Gets the primary key of every row that is kept, and perhaps of others. */
  readonly keys: KeyFilter;
}

/** The checks of a row, in the order that docs/semantics.md gives. */
export class RowChecker {
  private readonly plan: HeaderPlan;
  private readonly out: CopyBlock;
  private readonly sentinel: Buffer | undefined;
  private readonly noFlag: Refusal;
  private readonly odd = new OddValues();
  private readonly columns: readonly ColumnReader[];
  private readonly cell = new Cell();
  private readonly counts: ValueCounts;

  constructor({ dataset, plan, counts, out, zone, keys }: RowCheckerInput) {
    this.plan = plan;
    this.out = out;
    this.counts = counts;
    this.sentinel = dataset.sentinel === undefined ? undefined : Buffer.from(dataset.sentinel);
    this.noFlag = { reason: REASONS.boolean, column: dataset.alarmColumn ?? '' };
    const readers = cellReaders(zone);
    this.columns = plan.columns.map((planned) =>
      planned.name === dataset.primaryKey
        ? keyReader(planned, keys)
        : columnReader(planned, readers, this.odd),
    );
  }

  /** Judges a record, and writes it where it is kept. */
  check(record: CsvRecord): Verdict {
    if (this.isSentinel(record)) return 'sentinel';
    if (record.count !== this.plan.fields) return { reason: wrongCount(record.count, this.plan.fields) };
    const alarm = this.isAlarm(record);
    if (alarm === undefined) return this.noFlag;
    return alarm ? 'alarm' : this.write(record);
  }

  /** Undefined where the flag is none. */
  private isAlarm(record: CsvRecord): boolean | undefined {
    if (this.plan.alarmField < 0) return false;
    const flag = this.field(record, this.plan.alarmField).trim();
    return flag.length > 0 && readFlag(flag);
  }

  private isSentinel(record: CsvRecord): boolean {
    if (this.sentinel === undefined) return false;
    // A row cut short may end before the key's place: its first field then says what it is.
    const at = this.plan.keyField < record.count ? this.plan.keyField : 0;
    return this.field(record, at).trim().startsWith(this.sentinel);
  }

  private write(record: CsvRecord): Verdict {
    this.odd.clear();
    const { bytes } = record;
    this.out.beginRow(bytes);
    for (const column of this.columns) {
      const from = record.start(column.field);
      const to = record.end(column.field);
      if (!column.read) {
        this.out.text(bytes, from, to);
      } else if (!column.read(this.cell.set(bytes, from, to), this.out)) {
        this.out.dropRow();
        return column.refusal;
      }
    }
    this.out.endRow(record.line);
    this.odd.addTo(this.counts);
    return 'row';
  }

  private field(record: CsvRecord, at: number): Cell {
    return this.cell.set(record.bytes, record.start(at), record.end(at));
  }
}

/** What is to be counted if the row is kept: the cells behind an odd one may still refuse it. */
class OddValues {
  private readonly unknown: string[] = [];
  private readonly nulled: string[] = [];

  /** The column has a value that is none of its canonical ones. */
  addUnknown(column: string): void {
    this.unknown.push(column);
  }

  /** The column has an invalid value that becomes NULL. */
  addNulled(column: string): void {
    this.nulled.push(column);
  }

  clear(): void {
    // Asked first: to set it calls into the runtime.
    if (this.unknown.length > 0) this.unknown.length = 0;
    if (this.nulled.length > 0) this.nulled.length = 0;
  }

  addTo({ unknownValues, nulled }: ValueCounts): void {
    for (const column of this.unknown) unknownValues[column] = (unknownValues[column] ?? 0) + 1;
    for (const column of this.nulled) nulled[column] = (nulled[column] ?? 0) + 1;
  }
}

function keyReader({ name, field }: PlannedColumn, keys: KeyFilter): ColumnReader {
  return {
    field,
    read(cell, out) {
      if (!readKey(cell, out)) return false;
      keys.add(cell);
      return true;
    },
    refusal: { reason: KEY_REASON, column: name },
  };
}

function columnReader(
  { name, field, column }: PlannedColumn,
  readers: ReturnType<typeof cellReaders>,
  odd: OddValues,
): ColumnReader {
  const refusal = { reason: REASONS[column.type], column: name };
  if (column.canonical) {
    return { field, read: canonical(canonicalReader(column.canonical), () => odd.addUnknown(name)), refusal };
  }
  if (column.type === 'text') return { field, read: undefined, refusal };
  const read = readers[column.type];
  return {
    field,
    read: column.onInvalid === 'null' ? lenient(read, () => odd.addNulled(name)) : read,
    refusal,
  };
}

function canonical(read: CanonicalReader, onUnknown: () => void): CellReader {
  return (cell, out) => {
    const { value, known } = read(cell);
    if (!known) onUnknown();
    out.text(value.bytes, value.from, value.to);
    return true;
  };
}

function lenient(read: CellReader, onInvalid: () => void): CellReader {
  return (cell, out) => {
    if (read(cell, out)) return true;
    onInvalid();
    out.null();
    return true;
  };
}

function wrongCount(found: number, expected: number): string {
  return `${found} ${found === 1 ? 'field' : 'fields'}, the header has ${expected}`;
}
