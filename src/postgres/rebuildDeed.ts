/** The transaction in which a rebuild's difference becomes the live table's, and its row in the ledger. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Difference } from '../domain/difference.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { limitsOf, SET_LIMITS } from './limits.ts';
import { notification } from './notification.ts';
import type { Session } from './pool.ts';
import { lookAround, refuseAdopted } from './rebuildHistory.ts';
import { noteRebuild, type Rebuild } from './rebuildRecord.ts';
import { countRows, dropBuild, type Written } from './rebuildTable.ts';
import { targetTable } from './tables.ts';

/** Begins a transaction that holds the row which every load of the dataset locks. */
export async function beginFenced(session: Session, dataset: Dataset): Promise<void> {
  await session.query('begin isolation level read committed');
  await session.query(SET_LIMITS, limitsOf('bounded'));
  await session.queryLong('select tickets.lock_dataset($1)', [dataset.name]);
}

/** @throws TidemarkFailure BadRequest where another loader's deeds were taken over since the rebuild was planned */
export async function checkNotAdopted(
  session: Session,
  { dataset, baseId, baseKey, upTo }: Rebuild,
): Promise<void> {
  const around = await lookAround(session, { dataset, after: baseId - 1, upTo });
  refuseAdopted(around, { dataset, from: baseKey ?? '' });
}

/** @returns the rows of the live table, which are as many as they should be */
export async function checkStored(
  session: Session,
  dataset: Dataset,
  { removes }: Rebuild,
  { built, extra }: Difference,
): Promise<number> {
  const stored = await countRows(session, targetTable(dataset));
  const wanted = removes ? built : built + extra;
  if (stored === wanted) return stored;
  throw new TidemarkFailure('AccountingMismatch', `${stored} rows are stored, and ${wanted} should be`, {
    dataset: dataset.name,
  });
}

/** What the ledger is told. */
export interface RebuildDeed {
  readonly dataset: Dataset;
  readonly rebuild: Rebuild;
  readonly difference: Difference;
  readonly written: Written;
  /** Rows of the live table after it. */
  readonly stored: number;
  /** Workflow and run id. */
  readonly provenance: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** Writes the ledger row, which moves no watermark, and drops the built table. */
export async function endRebuild(session: Session, deed: RebuildDeed): Promise<void> {
  const { dataset, rebuild, difference, written, stored, provenance, startedAt } = deed;
  const { id, baseId, baseKey, lastDeed, removes, who, reason } = rebuild;
  const { built, missing, different, extra } = difference;
  const metadata = {
    rebuild: id,
    from_id: baseId,
    last_id: lastDeed,
    files: rebuild.filesDone,
    removes,
    rows_removed: written.removed,
    rows_left: removes ? 0 : extra,
    rows_stored: stored,
    seconds: (Date.now() - startedAt) / 1000,
    who,
    reason,
    ...provenance,
  };
  await session.query(
    `insert into tickets.import_meta (dataset, source_key, export_type, rows_read, rows_inserted, rows_updated,
       rows_unchanged, archived_at, metadata)
     values ($1, $2, 'rebuilt', $3, $4, $5, $6, clock_timestamp(), $7::jsonb)`,
    [dataset.name, baseKey, built, missing, different, built - missing - different, JSON.stringify(metadata)],
  );
  if (dataset.notifies) await notify(session, deed);
  await dropBuild(session, rebuild);
  await noteRebuild(session, id, { state: 'applied', difference, table: null });
}

/** As of a file: the key that it began with, and the counts. */
async function notify(
  session: Session,
  { dataset, rebuild, difference, written }: RebuildDeed,
): Promise<void> {
  const { built, missing, different } = difference;
  const { text, values } = notification({
    dataset: dataset.name,
    key: rebuild.baseKey,
    exportType: 'rebuilt',
    counts: {
      read: built,
      inserted: missing,
      updated: different,
      unchanged: built - missing - different,
      removed: written.removed,
    },
  });
  await session.query(text, values);
}
