/** What `status` shows of a dataset besides the listing. */

import type { Queryable } from './queryable.ts';

/** A row of `tickets.dataset_status`, without what a listing knows better. */
export interface DatasetStatus {
  readonly watermark: string | null;
  readonly lastAppliedAt: Date | null;
  readonly lastCheckedAt: Date | null;
  readonly freshnessSeconds: number | null;
  /** Since the dataset was switched on, where it is. */
  readonly enabledSeconds: number;
  readonly rows: number;
  readonly archiveDebt: number;
  readonly truncated: boolean;
  /** The newest delta that has nearly as many tickets as the table, until a rebuild settles it. */
  readonly looksLikeBaseline: string | null;
  /** How far the rebuild is that was asked for last, where it has not ended; `compared` waits for an answer. */
  readonly rebuild: 'asked' | 'building' | 'compared' | null;
}

/** When a run last listed, or applied what it had listed; `null` where none has. */
export function progressedAt(status: DatasetStatus | undefined): Date | null {
  const times = [status?.lastCheckedAt, status?.lastAppliedAt].map((time) => time?.getTime() ?? 0);
  const newest = Math.max(...times);
  return newest === 0 ? null : new Date(newest);
}

/** Reads the view; `undefined` for a dataset that no run has listed and no migration has made known. */
export async function readDatasetStatus(db: Queryable, dataset: string): Promise<DatasetStatus | undefined> {
  const [row] = await db.query<DatasetStatus>(
    `select watermark, last_applied_at as "lastAppliedAt", last_checked_at as "lastCheckedAt",
       freshness_seconds as "freshnessSeconds", rows::float8 as rows, archive_debt::float8 as "archiveDebt", truncated,
       looks_like_baseline as "looksLikeBaseline",
       (select extract(epoch from clock_timestamp() - s.enabled_since)::float8 from tickets.dataset_state s
        where s.dataset = $1) as "enabledSeconds",
       (select state from tickets.rebuilds r where r.dataset = $1 and ended_at is null
        order by id desc limit 1) as rebuild
     from tickets.dataset_status where dataset = $1`,
    [dataset],
  );
  return row;
}

/** An open refusal of a file. */
export interface OpenFailure {
  readonly key: string;
  readonly etag: string;
  readonly kind: string;
  readonly line: number | null;
  readonly column: string | null;
  readonly since: Date;
}

/** All open failures, in order of their keys; of one key the newest first. */
export function readOpenFailures(db: Queryable, dataset: string): Promise<OpenFailure[]> {
  return db.query<OpenFailure>(
    `select source_key as key, etag, kind, line::float8 as line, column_name as "column", since
     from tickets.import_failures
     where dataset = $1 and resolved_at is null and kind <> 'FileChanged'
     order by source_key collate "C", last_at desc`,
    [dataset],
  );
}
