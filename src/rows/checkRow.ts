import type { Dataset } from '../datasets/dataset.ts';
import { encode, trimBytes } from './byteText.ts';
import { canonicalReader, type CanonicalReader } from './canonical.ts';
import { CELL_READERS, type CellReader, KEY_REASON, readFlag, readKey, REASONS } from './cells.ts';
import { COPY_NULL } from './copyText.ts';
import type { HeaderPlan, PlannedColumn } from './header.ts';

/** What a row is. */
export type Verdict =
  | { readonly is: 'alarm' | 'sentinel' }
  | { readonly is: 'reject'; readonly reason: string; readonly column?: string }
  | { readonly is: 'row'; readonly copyLine: string };

/** Counts by column, of the rows that are kept. */
export interface ValueCounts {
  readonly unknownValues: Record<string, number>;
  readonly nulled: Record<string, number>;
}

/** Reads the cell of one column; `undefined` refuses the row. */
interface ColumnReader {
  readonly field: number;
  readonly name: string;
  readonly reason: string;
  read(bytes: string): string | undefined;
}

/**
 * The checks of a row, in the order that DESIGN 3.3 gives.
 *
 * @param counts grows with every row that is kept.
 * @returns takes a record's fields (byte strings) and the line on which it begins.
 */
export function rowChecker(
  dataset: Dataset,
  plan: HeaderPlan,
  counts: ValueCounts,
): (fields: readonly string[], line: number) => Verdict {
  const sentinel = encode(dataset.sentinel);
  /** What to count if the row is kept: the cells after this one may still refuse it. */
  const odd: { counter: Record<string, number>; name: string }[] = [];
  const columns = plan.columns.map((planned) => columnReader(planned, planned.name === dataset.primaryKey));

  function columnReader(planned: PlannedColumn, isKey: boolean): ColumnReader {
    const { name, field, column } = planned;
    if (isKey) return { name, field, reason: KEY_REASON, read: readKey };
    const reason = REASONS[column.type];
    if (column.canonical)
      return { name, field, reason, read: canonical(name, canonicalReader(column.canonical)) };
    const read = CELL_READERS[column.type];
    return { name, field, reason, read: column.onInvalid === 'null' ? lenient(name, read) : read };
  }

  function canonical(name: string, read: CanonicalReader): CellReader {
    return (bytes) => {
      const { cell, known } = read(bytes);
      if (!known) odd.push({ counter: counts.unknownValues, name });
      return cell;
    };
  }

  function lenient(name: string, read: CellReader): CellReader {
    return (bytes) => {
      const cell = read(bytes);
      if (cell === undefined) odd.push({ counter: counts.nulled, name });
      return cell ?? COPY_NULL;
    };
  }

  function isSentinel(fields: readonly string[]): boolean {
    const key = fields.length === 1 ? fields[0] : fields[plan.keyField];
    return key !== undefined && trimBytes(key).startsWith(sentinel);
  }

  return (fields, line) => {
    if (isSentinel(fields)) return { is: 'sentinel' };
    if (fields.length !== plan.fields)
      return { is: 'reject', reason: wrongCount(fields.length, plan.fields) };
    const alarm = readFlag(fields[plan.alarmField] ?? '');
    if (alarm === undefined) return { is: 'reject', reason: REASONS.boolean, column: dataset.alarmColumn };
    if (alarm) return { is: 'alarm' };

    odd.length = 0;
    let copyLine = '';
    for (const column of columns) {
      const cell = column.read(fields[column.field] ?? '');
      if (cell === undefined) return { is: 'reject', reason: column.reason, column: column.name };
      copyLine += `${cell}\t`;
    }
    for (const { counter, name } of odd) counter[name] = (counter[name] ?? 0) + 1;
    return { is: 'row', copyLine: `${copyLine}${line}\n` };
  };
}

function wrongCount(found: number, expected: number): string {
  return `${found} ${found === 1 ? 'field' : 'fields'}, the header has ${expected}`;
}
