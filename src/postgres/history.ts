/** The ledger from its beginning on, to be done again or looked through. */

import type { LedgerEntry } from '../domain/states.ts';
import type { Queryable } from './queryable.ts';

/** A ledger row, as far as it says what was done with which bytes. */
export interface HistoricDeed {
  readonly id: number;
  readonly key: string;
  readonly exportType: LedgerEntry['exportType'];
  /** Of the content; null where a vanished file was skipped, and of what another loader did. */
  readonly etag: string | null;
  /** Null where nobody read the content: of a skip. */
  readonly sha256: string | null;
  /** Of the content; 0 where nobody read it. */
  readonly bytes: number;
  /** Rows of the content. */
  readonly read: number;
  readonly importedAt: Date;
  readonly archived: boolean;
  readonly watermark: string | null;
}

/** Ledger rows asked for at once. */
const PAGE = 1_000;

/**
 * The dataset's deeds in the order in which they were done, after one ledger row and up to and with another. Whoever writes one holds the
 * dataset's lock, so that ids are in the order of commits.
 */
export async function* readHistory(
  db: Queryable,
  { dataset, after = 0, upTo }: { readonly dataset: string; readonly after?: number; readonly upTo: number },
): AsyncGenerator<HistoricDeed, void> {
  for (let last = after, full = true; full;) {
    const page = await db.query<HistoricDeed>(
      `select id::float8 as id, source_key as key, export_type as "exportType", metadata ->> 'etag' as etag,
         metadata ->> 'sha256' as sha256, coalesce((metadata ->> 'bytes')::float8, 0) as bytes,
         rows_read::float8 as read,
         imported_at as "importedAt", archived_at is not null as archived,
         metadata ->> 'source_max_key' as watermark
       from tickets.import_meta where dataset = $1 and id > $2 and id <= $3 order by id limit ${PAGE}`,
      [dataset, last, upTo],
    );
    yield* page;
    last = page.at(-1)?.id ?? last;
    full = page.length === PAGE;
  }
}
