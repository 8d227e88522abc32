/**
 * Merging a large file while the rest of it is still being read.
 *
 * Reading keeps one core busy, and PostgreSQL would wait for it, only to merge all rows afterwards. So the COPY is cut
 * into stretches, each into a temporary table, whose rows are looked up in the target by the primary key, one by one, and
 * written where they are new or differ.
 *
 * What it writes is right for a ledger that stays as it was, and for a file that repeats no key: the apply, which takes
 * the fence at the end, undoes all where that is not the case, and the file is then staged whole.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { BlockQueue } from './blockQueue.ts';
import { copySql, SIGNATURE, TRAILER } from './copyIn.ts';
import { ledgerVersionSql } from './ledgerVersion.ts';
import { mergeStretchSql } from './merge.ts';
import type { Session } from './pool.ts';
import { createStagingTable, stagedColumns } from './stage.ts';
import { stretchTable } from './tables.ts';
import type { Ahead } from './writeAhead.ts';

/**
 * Bytes of a stretch at most: what is there when PostgreSQL is free, so that it is seldom idle, and yet has few stretches
 * where it is the slower one.
 */
const STRETCH_BYTES = 3 * 1024 * 1024;

/** What became of a stretch's rows. */
interface Stretch {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** Begins to merge a file into the dataset's table. */
export async function openMerge(session: Session, dataset: Dataset, key: string): Promise<Ahead> {
  const ledgerVersion = await readLedgerVersion(session, dataset);
  const blocks = new BlockQueue();
  const sum = { inserted: 0, updated: 0, unchanged: 0 };
  // Asked for anew by each transaction: one that is undone takes the table with it.
  let toEmpty = [createStagingTable(dataset, stretchTable(dataset)), emptyStretchSql(dataset)];

  async function merge(): Promise<number> {
    let rows = 0;
    for (;;) {
      const stretch = await blocks.take(STRETCH_BYTES);
      if (stretch.blocks.length === 0) return rows;
      const { copied, merged } = await mergeStretch(session, dataset, key, toEmpty, stretch.blocks);
      toEmpty = [emptyStretchSql(dataset)];
      stretch.done();
      rows += copied;
      sum.inserted += merged.inserted;
      sum.updated += merged.updated;
      sum.unchanged += merged.unchanged;
    }
  }

  const merged = merge();
  // Heard of by who writes, and at the end.
  merged.catch((error: unknown) => blocks.fail(error));
  return {
    write: (block) => blocks.write(block),
    finish() {
      blocks.end();
      return merged;
    },
    found({ rows, mayRepeat, ledgerVersion: now }) {
      const adds = sum.inserted + sum.updated + sum.unchanged === rows;
      return adds && !mayRepeat && now === ledgerVersion ? { ...sum, stale: 0 } : undefined;
    },
  };
}

async function readLedgerVersion(session: Session, dataset: Dataset): Promise<string> {
  const [ledger] = await session.query<{ version: string }>(`select ${ledgerVersionSql('$1')} as version`, [
    dataset.name,
  ]);
  return ledger?.version ?? '';
}

function emptyStretchSql(dataset: Dataset): string {
  return `truncate ${stretchTable(dataset)}`;
}

/**
 * Brings a stretch to PostgreSQL and merges it: in one round trip, for several of which PostgreSQL would wait each time
 * until the reader has looked up from its work.
 */
async function mergeStretch(
  session: Session,
  dataset: Dataset,
  key: string,
  toEmpty: readonly string[],
  blocks: readonly Buffer[],
): Promise<{ readonly copied: number; readonly merged: Stretch }> {
  const copy = copySql(`pg_temp.${stretchTable(dataset)}`, stagedColumns(dataset));
  const answers = await session.roundTripLong([
    ...toEmpty.map((text) => ({ text })),
    { text: copy, data: [SIGNATURE, ...blocks, TRAILER] },
    { text: mergeStretchSql(dataset), values: [key] },
  ]);
  const [copied, found] = answers.slice(toEmpty.length);
  const merged = found?.rows[0] as Stretch | undefined;
  if (!copied || !merged) throw new TidemarkFailure('InternalError', 'a merge gave no counts');
  return { copied: copied.count, merged };
}
