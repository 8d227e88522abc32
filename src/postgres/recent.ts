/** The newest of ledger and rejects, bounded, as the dashboard shows them: no value of a row. */

import { DEED_COLUMNS, type LedgerDeed } from './deeds.ts';
import type { Queryable } from './queryable.ts';

/** A row of the ledger with what the load took and who made it. */
export interface RecentDeed extends LedgerDeed {
  /** That the load took; `null` for a deed that loaded nothing. */
  readonly seconds: number | null;
  readonly truncated: boolean;
  /** Of the run that did it; empty or `null` where it was none of Temporal's. */
  readonly workflowId: string | null;
  readonly runId: string | null;
}

/** The newest deeds, newest first. */
export function readRecentDeeds(
  db: Queryable,
  input: { readonly dataset: string; readonly limit: number },
): Promise<RecentDeed[]> {
  return db.query<RecentDeed>(
    `select ${DEED_COLUMNS}, (metadata ->> 'seconds')::float8 as seconds,
       coalesce((metadata ->> 'truncated')::boolean, false) as truncated,
       metadata ->> 'workflow_id' as "workflowId", metadata ->> 'run_id' as "runId"
     from tickets.import_meta where dataset = $1 order by id desc limit $2`,
    [input.dataset, input.limit],
  );
}

/** A rejected row, by its place alone. */
export interface RecentReject {
  readonly key: string;
  /** On which its record begins, the header being line 1. */
  readonly line: number;
  readonly column: string | null;
  readonly reason: string;
  readonly rejectedAt: Date;
  /** Whether the dataset still stops there. */
  readonly open: boolean;
}

/** Rejected rows: those of files that stop the dataset first, then the newest. */
export function readRecentRejects(
  db: Queryable,
  input: { readonly dataset: string; readonly limit: number },
): Promise<RecentReject[]> {
  return db.query<RecentReject>(
    `select r.source_key as key, r.line::float8 as line, r.column_name as "column", r.reason,
       r.rejected_at as "rejectedAt", f.source_key is not null as open
     from tickets.import_rejects r
     left join tickets.import_failures f on f.dataset = r.dataset and f.source_key = r.source_key
       and f.etag = r.etag and f.resolved_at is null
     where r.dataset = $1
     order by open desc, r.rejected_at desc, r.source_key collate "C", r.line
     limit $2`,
    [input.dataset, input.limit],
  );
}
