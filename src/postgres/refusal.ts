/** What a person tried to apply and was refused: kept to be looked at, and no failure at which the dataset stops. */

import type { TidemarkFailure } from '../domain/failures.ts';
import type { Reject } from '../rows/row.ts';
import { INSERT_REJECTS } from './apply.ts';
import type { Queryable } from './queryable.ts';

/** A refused content. */
export interface Refusal {
  readonly dataset: string;
  readonly key: string;
  readonly etag: string;
  readonly failure: TidemarkFailure;
  readonly rejects: readonly Reject[];
  /** `definitionOf` the dataset that refused it. */
  readonly definition: string;
  /** How it ended. */
  readonly resolution: string;
}

/** Keeps rejected rows and a settled failure; an open failure of this content stays as it is. Repeatable. */
export async function recordRefusal(db: Queryable, refusal: Refusal): Promise<void> {
  const { dataset, key, etag, failure, rejects } = refusal;
  const { line, column, code, rejected } = failure.details;
  if (rejects.length > 0) await db.query(INSERT_REJECTS, [dataset, key, etag, JSON.stringify(rejects)]);
  await db.query(
    `insert into tickets.import_failures as f (dataset, source_key, etag, kind, line, column_name, code, rejected,
       message, definition, resolved_at, resolution)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp(), $11)
     on conflict (dataset, source_key, etag) do update
     set last_at = clock_timestamp(), attempts = f.attempts + 1, rejected = excluded.rejected`,
    [
      dataset,
      key,
      etag,
      failure.kind,
      line ?? null,
      column ?? null,
      code ?? null,
      rejected ?? null,
      failure.message,
      refusal.definition,
      refusal.resolution,
    ],
  );
}
