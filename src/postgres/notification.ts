/** What a dataset that notifies sends on the channel `tidemark` (docs/downstream.md). */

import type { Statement } from './roundTrip.ts';

/** A change of the table, as who listens is told of it: no row's value. */
interface Notice {
  readonly dataset: string;
  readonly key: string | null;
  readonly exportType: string;
  /** Numbers of rows by their names. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Sent at the commit of the transaction that it runs in. */
export function notification({
  dataset,
  key,
  exportType,
  counts,
}: Notice): Statement & { readonly values: string[] } {
  const payload = JSON.stringify({ dataset, key, export_type: exportType, ...counts });
  return { text: `select pg_notify('tidemark', $1)`, values: [payload], prepared: true };
}
