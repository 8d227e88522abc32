/** What a run has applied so far, as its ledger rows appear. */

import type { Queryable } from './queryable.ts';

/** A file that was applied. */
export interface AppliedFile {
  /** Of its ledger row. */
  readonly id: number;
  readonly key: string;
  readonly exportType: string;
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
}

/** The id of the dataset's newest ledger row, 0 before the first. */
export async function newestDeed(db: Queryable, dataset: string): Promise<number> {
  const [row] = await db.query<{ id: number }>(
    `select coalesce(max(id), 0)::float8 as id from tickets.import_meta where dataset = $1`,
    [dataset],
  );
  return row?.id ?? 0;
}

/** Files applied after a ledger row, in the order of their ledger rows. */
export function appliedSince(
  db: Queryable,
  input: { readonly dataset: string; readonly id: number },
): Promise<AppliedFile[]> {
  return db.query<AppliedFile>(
    `select id::float8 as id, source_key as key, export_type as "exportType", rows_read::float8 as read,
       rows_inserted::float8 as inserted, rows_updated::float8 as updated
     from tickets.import_meta
     where dataset = $1 and id > $2 and export_type in ('baseline', 'delta', 'late', 'reload')
     order by id`,
    [input.dataset, input.id],
  );
}
