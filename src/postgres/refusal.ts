/** What a person tried to apply and was refused: kept to be looked at, and no failure at which the dataset stops. */

import type { Reject } from '../rows/row.ts';
import { INSERT_REJECTS } from './apply.ts';
import { FAILURE_COLUMNS, failureValues, type WrittenFailure } from './failureLog.ts';
import type { Queryable } from './queryable.ts';

/** A refused content. */
export interface Refusal extends WrittenFailure {
  readonly rejects: readonly Reject[];
  readonly resolution: string;
}

/** Keeps rejected rows and a settled failure; an open failure of this content stays as it is. Repeatable. */
export async function recordRefusal(db: Queryable, refusal: Refusal): Promise<void> {
  const { dataset, key, etag, rejects } = refusal;
  if (rejects.length > 0) await db.query(INSERT_REJECTS, [dataset, key, etag, JSON.stringify(rejects)]);
  await db.query(
    `insert into tickets.import_failures as f (${FAILURE_COLUMNS}, resolved_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp())
     on conflict (dataset, source_key, etag) do update
     set last_at = clock_timestamp(), attempts = f.attempts + 1, rejected = excluded.rejected`,
    failureValues(refusal),
  );
}
