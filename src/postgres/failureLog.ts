/** `tickets.import_failures` and `tickets.import_rejects`: what was refused, and where. */

import type { TidemarkFailure } from '../domain/failures.ts';
import type { Reject } from '../rows/row.ts';
import { INSERT_REJECTS } from './apply.ts';
import type { Queryable } from './queryable.ts';

/** The resolution of what was uploaded again and found to be as it was applied; its `code` is the SHA-256. */
export const SAME_BYTES = 'same bytes';

/** What is written of a failure. */
export interface WrittenFailure {
  readonly dataset: string;
  readonly key: string;
  readonly etag: string;
  readonly failure: TidemarkFailure;
  /** `definitionOf` the dataset that refused it. */
  readonly definition: string;
  /** How it ended; absent where it is open. */
  readonly resolution?: string;
}

/** The columns of a failure, of which `failureValues` are $1, $2 and so on. */
export const FAILURE_COLUMNS =
  'dataset, source_key, etag, kind, line, column_name, code, rejected, message, definition, resolution';

export function failureValues({
  dataset,
  key,
  etag,
  failure,
  definition,
  resolution,
}: WrittenFailure): readonly unknown[] {
  const { kind, message, details } = failure;
  const { line = null, column = null, code = null, rejected = null } = details;
  return [dataset, key, etag, kind, line, column, code, rejected, message, definition, resolution ?? null];
}

/**
 * Remembers a refused content, so that no run reads it again. Repeatable: a second time counts an attempt. Where the
 * ledger meanwhile knows the key nothing is remembered: somebody else applied or skipped it.
 */
export async function recordFailure(
  db: Queryable,
  input: WrittenFailure & { readonly rejects: readonly Reject[] },
): Promise<void> {
  const { dataset, key, etag } = input;
  if (input.rejects.length > 0) {
    await db.query(INSERT_REJECTS, [dataset, key, etag, JSON.stringify(input.rejects)]);
  }
  await db.query(
    `insert into tickets.import_failures as f
       (${FAILURE_COLUMNS}, resolved_at)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text, case when $11 is not null then clock_timestamp() end
     where $4 = 'FileChanged' or not exists (
       select from tickets.import_meta
       where dataset = $1 and source_key = $2 and (
         export_type in ('baseline', 'delta', 'late')
         or (export_type = 'skipped' and (metadata ->> 'etag' = $3 or $4 = 'FileVanished'))
       )
     )
     on conflict (dataset, source_key, etag) do update set
       kind = excluded.kind, line = excluded.line, column_name = excluded.column_name, code = excluded.code,
       rejected = excluded.rejected, message = excluded.message,
       definition = excluded.definition, last_at = clock_timestamp(),
       attempts = f.attempts + 1, resolved_at = excluded.resolved_at, resolution = excluded.resolution`,
    failureValues(input),
  );
}
