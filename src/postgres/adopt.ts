/** The watermark as a person, or a migration, sets it: a deed of the ledger like any other. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Queryable } from './queryable.ts';
import { targetTable } from './tables.ts';

/** The deed that put the watermark where it is. */
export interface WatermarkDeed {
  readonly watermark: string;
  readonly exportType: string;
  /** The ledger row's. */
  readonly id: number;
  readonly at: Date;
  readonly who: string | null;
  readonly reason: string | null;
  /** Up to this key everything is covered, which means: was applied by another loader. */
  readonly adoptedUpTo: string | null;
}

/** The dataset's watermark and how it came about; undefined before the first. */
export async function readWatermark(db: Queryable, dataset: string): Promise<WatermarkDeed | undefined> {
  const [deed] = await db.query<WatermarkDeed>(
    `select metadata ->> 'source_max_key' as watermark, export_type as "exportType", id::float8 as id,
       imported_at as at, metadata ->> 'who' as who, metadata ->> 'reason' as reason,
       (select max((metadata ->> 'source_max_key') collate "C") from tickets.import_meta
         where dataset = $1 and export_type = 'adopted') as "adoptedUpTo"
     from tickets.import_meta
     where dataset = $1 and metadata ? 'source_max_key'
     order by (metadata ->> 'source_max_key') collate "C" desc, id
     limit 1`,
    [dataset],
  );
  return deed;
}

/** Whether the dataset's table has any row. @param table quoted */
export async function hasRows(db: Queryable, table: string): Promise<boolean> {
  const [row] = await db.query<{ some: boolean }>(`select exists (select from ${table}) as some`);
  return row?.some ?? false;
}

/** What is adopted, and why. */
export interface Adoption {
  readonly dataset: Dataset;
  /** The new watermark. */
  readonly key: string;
  /** Who, why and from where. */
  readonly provenance: Readonly<Record<string, string>>;
}

/** A table of more rows, as the planner knows them, is not counted: that may take longer than a statement of a verb has. */
const COUNTED_ROWS = 5_000_000;

/**
 * Writes the ledger row, and settles the failures at or below it: nothing stops there any more. Rows of the table that no
 * deed before has inserted are its own, so that the ledger's sum is what the table has. Under the dataset's lock; that the
 * key is above the watermark is for the caller to see.
 */
export async function recordAdoption(tx: Queryable, { dataset, key, provenance }: Adoption): Promise<void> {
  await tx.query(
    `insert into tickets.import_meta (dataset, source_key, export_type, rows_inserted, metadata)
     select $1, $2, 'adopted', greatest(t.rows - d.rows, 0), $3::text::jsonb
     from tickets.dataset_status d, (
       select case when reltuples > $5 then reltuples::bigint else (select count(*) from ${targetTable(dataset)}) end as rows
       from pg_catalog.pg_class where oid = $4::text::regclass
     ) t
     where d.dataset = $1`,
    [
      dataset.name,
      key,
      JSON.stringify({ source_max_key: key, ...provenance }),
      targetTable(dataset),
      COUNTED_ROWS,
    ],
  );
  await tx.query(
    `update tickets.import_failures set resolved_at = clock_timestamp(), resolution = 'covered'
     where dataset = $1 and source_key collate "C" <= $2 and resolved_at is null and kind <> 'FileChanged'`,
    [dataset.name, key],
  );
}
