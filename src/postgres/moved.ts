/** What the ledger knows of where the objects of its deeds lie. */

import type { Queryable } from './queryable.ts';

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
