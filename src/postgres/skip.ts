/** Leaving a file out, for good: in the ledger, and no failure of it open. */

import { ensureDatasetState } from './ledger.ts';
import type { Queryable } from './queryable.ts';

/** Longer than most loads' last step; a person waits. */
const LOCK_TIMEOUT = '10s';

/**
 * Takes the row that every load of the dataset takes, inside the caller's transaction: whatever is decided from the
 * ledger after this holds until the commit.
 *
 * Fails with `PostgresBusy` where a load holds it for longer than 10 s.
 */
export async function lockDataset(tx: Queryable, dataset: string): Promise<void> {
  await tx.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
  await ensureDatasetState(tx, dataset);
  await tx.query(`select from tickets.dataset_state where dataset = $1 for update`, [dataset]);
}

/** What is left out, and by whom. */
export interface SkipDeed {
  readonly dataset: string;
  readonly key: string;
  /** Of the content that is left out; absent where the object is gone. */
  readonly etag?: string | undefined;
  readonly reason: string;
  /** user@host */
  readonly who: string;
}

/** Writes the ledger row, which moves no watermark, and settles the open failures of the key. */
export async function recordSkip(tx: Queryable, deed: SkipDeed): Promise<void> {
  const { dataset, key, etag, reason, who } = deed;
  await tx.query(
    `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
     values ($1, $2, 'skipped', $3::text::jsonb)`,
    [dataset, key, JSON.stringify({ ...(etag !== undefined && { etag }), reason, who })],
  );
  await tx.query(
    `update tickets.import_failures set resolved_at = clock_timestamp(), resolution = 'skipped'
     where dataset = $1 and source_key = $2 and resolved_at is null`,
    [dataset, key],
  );
}
