/** Compares a table with an independent reading of files. */

import type { Column, Dataset } from '../../src/datasets/dataset.ts';
import type { Queryable } from '../../src/postgres/queryable.ts';
import { naiveReading, naiveValue, type NaiveRow } from './naiveReading.ts';

/** A table by primary key, values in the naive reader's canonical text form, `source_key` and `source_line` too. */
export type TableRows = ReadonlyMap<string, Readonly<Record<string, string | null>>>;

/** Reads the target table. */
export async function readTable(db: Queryable, dataset: Dataset): Promise<TableRows> {
  const columns = Object.entries(dataset.columns).map(
    ([name, { type }]) => `${canonical(name, type)} as "${name}"`,
  );
  const rows = await db.query<Record<string, string | null>>(
    `select ${columns.join(', ')}, source_key, source_line::text from tickets."${dataset.table}"`,
  );
  return new Map(
    rows.map((row) => {
      for (const [name, { type }] of Object.entries(dataset.columns)) {
        const value = row[name];
        if (type === 'double precision' && value != null) row[name] = naiveValue({ type }, value) as string;
      }
      return [row[dataset.primaryKey] ?? '', row];
    }),
  );
}

/** What the table must hold after the files are applied in this order. */
export function expectedTable(
  dataset: Dataset,
  files: readonly { readonly key: string; readonly body: string | Buffer }[],
): TableRows {
  const table = new Map<string, NaiveRow>();
  for (const { key, body } of files) {
    for (const [id, row] of naiveReading(dataset, body).rows) {
      const stored = table.get(id);
      if (!stored || differs(dataset, stored, row)) table.set(id, { ...row, source_key: key });
    }
  }
  return table;
}

function differs(dataset: Dataset, a: NaiveRow, b: NaiveRow): boolean {
  return Object.keys(dataset.columns).some((column) => a[column] !== b[column]);
}

function canonical(name: string, type: Column['type']): string {
  switch (type) {
    case 'timestamptz':
      return `to_char("${name}" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    case 'numeric':
      return `trim_scale("${name}")::text`;
    case 'text':
      return `"${name}"`;
    default:
      return `"${name}"::text`;
  }
}
