/** The ledger and the rejects, as a person reads them. */

import type { RowCounts } from '../domain/counts.ts';
import type { Queryable } from './queryable.ts';

/** What every look at a row of the ledger has: `DEED_COLUMNS`. */
export interface LedgerDeed extends RowCounts {
  readonly key: string;
  readonly exportType: string;
  readonly importedAt: Date;
  readonly archivedAt: Date | null;
}

/** The columns of `tickets.import_meta` that make a `LedgerDeed`, as SQL. */
export const DEED_COLUMNS = `source_key as key, export_type as "exportType", rows_read::float8 as read,
       rows_inserted::float8 as inserted, rows_updated::float8 as updated, rows_unchanged::float8 as unchanged,
       rows_superseded::float8 as superseded, rows_stale::float8 as stale, rows_alarm::float8 as alarm,
       rows_sentinel::float8 as sentinel, rows_rejected::float8 as rejected,
       imported_at as "importedAt", archived_at as "archivedAt"`;

/** A row of the ledger. */
export interface Deed extends LedgerDeed {
  /** Whether the exporter cut the file short. */
  readonly truncated: boolean;
  /** Why, where somebody gave a reason. */
  readonly reason: string | null;
  readonly who: string | null;
}

/** The newest deeds, newest first, and how many there are in all: every one, or of files that were cut short. */
export async function readDeeds(
  db: Queryable,
  input: { readonly dataset: string; readonly limit: number; readonly which: 'all' | 'truncated' },
): Promise<{ readonly deeds: readonly Deed[]; readonly total: number }> {
  const those = `from tickets.import_meta where dataset = $1
    ${input.which === 'truncated' ? `and metadata @> '{"truncated": true}'` : ''}`;
  const deeds = await db.query<Deed>(
    `select ${DEED_COLUMNS}, coalesce((metadata ->> 'truncated')::boolean, false) as truncated,
       metadata ->> 'reason' as reason, metadata ->> 'who' as who
     ${those} order by id desc limit $2`,
    [input.dataset, input.limit],
  );
  const [row] = await db.query<{ total: number }>(`select count(*)::float8 as total ${those}`, [
    input.dataset,
  ]);
  return { deeds, total: row?.total ?? 0 };
}

/** A rejected row. */
export interface RejectedRow {
  readonly line: number;
  readonly column: string | null;
  readonly reason: string;
  /** The record as it stands in the file; only where asked for. */
  readonly row: string | null;
}

/** The rejects of one content of one file. */
export interface RejectedFile {
  readonly key: string;
  readonly etag: string;
  readonly rejectedAt: Date;
  /** Whether the dataset still stops there. */
  readonly open: boolean;
  /** How the refusal ended: by a load, by a skip; `null` where it is open, or where the rejects were allowed. */
  readonly resolution: string | null;
  /** How many rows were rejected in all; the first 100 are kept. */
  readonly total: number;
  readonly rows: readonly RejectedRow[];
}

/** The rejects of a dataset, or of one file, in order of keys; of one key the newest content first. */
export function readRejects(
  db: Queryable,
  input: {
    readonly dataset: string;
    readonly key: string | undefined;
    readonly values: 'withheld' | 'shown';
  },
): Promise<RejectedFile[]> {
  // Not as much as named where it is withheld: who has no right to it can still ask for the rest.
  const row = input.values === 'shown' ? 'r.row_text' : 'null';
  return db.query<RejectedFile>(
    `select r.source_key as key, r.etag, max(r.rejected_at) as "rejectedAt",
       coalesce(bool_or(f.source_key is not null and f.resolved_at is null), false) as open,
       max(f.resolution) as resolution,
       greatest(count(*), coalesce(max(f.rejected), 0))::float8 as total,
       jsonb_agg(jsonb_build_object('line', r.line, 'column', r.column_name, 'reason', r.reason,
         'row', ${row}) order by r.line) as rows
     from tickets.import_rejects r
     left join tickets.import_failures f using (dataset, source_key, etag)
     where r.dataset = $1 and ($2::text is null or r.source_key = $2)
     group by r.source_key, r.etag
     order by r.source_key collate "C", max(r.rejected_at) desc`,
    [input.dataset, input.key ?? null],
  );
}
