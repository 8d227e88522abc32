/** What the ledger knows of where the objects of its deeds lie. */

import type { Queryable } from './queryable.ts';

/** The keys of files that may be moved: to `processed/` where their rows are in the table, to `skipped/` where this content was left out. */
export async function movableKeys(
  db: Queryable,
  input: {
    readonly dataset: string;
    readonly files: readonly { readonly key: string; readonly etag: string }[];
    readonly to: 'processed' | 'skipped';
  },
): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ key: string }>(
    `select f.key from unnest($2::text[], $3::text[]) as f(key, etag)
     where exists (
       select from tickets.import_meta m where m.dataset = $1 and m.source_key = f.key
         and case when $4 = 'skipped' then m.export_type = 'skipped' and m.metadata ->> 'etag' = f.etag
           else m.export_type in ('baseline', 'delta', 'late', 'reload') end)`,
    [input.dataset, input.files.map(({ key }) => key), input.files.map(({ etag }) => etag), input.to],
  );
  return new Set(rows.map(({ key }) => key));
}

/** Notes that the objects of these keys lie where their deeds put them. Repeatable. */
export async function markMoved(
  db: Queryable,
  input: {
    readonly dataset: string;
    readonly keys: readonly string[];
    readonly to: 'processed' | 'skipped';
  },
): Promise<void> {
  await db.query(
    `update tickets.import_meta set archived_at = clock_timestamp()
     where dataset = $1 and source_key = any($2::text[]) and archived_at is null
       and (export_type = 'skipped') = ($3 = 'skipped')`,
    [input.dataset, input.keys, input.to],
  );
}

/**
 * Ends the archive debt of applied files whose objects are gone, from `changes/` and from the archive: nothing is left to
 * archive, and `metadata.archive` says so. Repeatable.
 */
export async function markMissing(
  db: Queryable,
  { dataset, keys }: { readonly dataset: string; readonly keys: readonly string[] },
): Promise<void> {
  await db.query('select tickets.mark_missing($1, $2::text[])', [dataset, keys]);
}
