import type { Dataset } from '../datasets/dataset.ts';
import type { Difference } from '../domain/difference.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { readHistory } from '../postgres/history.ts';
import type { Session } from '../postgres/pool.ts';
import { lookAround } from '../postgres/rebuildHistory.ts';
import { checkDefinition, lockRebuild, readRebuild, type Rebuild } from '../postgres/rebuildRecord.ts';
import {
  actAsRebuilder,
  checkBuild,
  countDifference,
  writeDifference,
  type Written,
} from '../postgres/rebuildTable.ts';
import { beginFenced, checkNotAdopted, checkStored, endRebuild } from '../postgres/rebuildDeed.ts';
import { outlastAhead } from '../postgres/writeAhead.ts';
import { contentOf } from './contentOf.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import { mergeDeed, stageDeed, type ReadDeed } from './mergeDeed.ts';
import type { AppliedRebuild, ApplyRebuildInput } from './rebuildInterface.ts';
import { REPLAY_MODES } from './replayFile.ts';

/**
 * Files that were loaded since the build was compared, and that are merged while the lock is held: few and small, so that
 * no load waits long. More are merged before, without it.
 */
const MAX_CAUGHT_UP = { files: 20, bytes: 4 * 1024 * 1024 };

/**
 * Writes the difference into the live table, in one transaction that holds the dataset's lock: readers see the table as
 * it was before or as it is after, and no file is loaded in between.
 *
 * Repeatable: what an earlier attempt has committed is returned as it was.
 */
export async function applyRebuild(
  deps: Deps,
  input: ApplyRebuildInput,
  { signal, provenance, number = 1 }: Attempt,
): Promise<AppliedRebuild> {
  const dataset = findDataset(deps.datasets, input.dataset);
  const startedAt = Date.now();
  return deps.pool.withSession(signal, async (session) => {
    await actAsRebuilder(session);
    const before = await readRebuild(session, input.rebuild);
    if (before.state === 'applied' && before.difference) return applied(before, before.difference);
    // A load that has written ahead, and is frozen, may hold rows: once it was in the way, it is waited for without the lock.
    if (number > 1) await outlastAhead(session, dataset);
    await beginFenced(session, dataset);
    const locked = await lockRebuild(session, input.rebuild);
    // Another attempt may have committed while this one waited.
    if (locked.state === 'applied' && locked.difference) {
      await session.query('rollback');
      return applied(locked, locked.difference);
    }
    checkDefinition(locked, dataset);
    const rebuild = await catchUp(session, deps, dataset, locked, signal);
    if (!rebuild) {
      await session.query('rollback');
      return { outcome: 'behind' };
    }
    await checkBuild(session, rebuild);
    // By column it was counted to be shown: while others wait, it is not counted anew.
    const columns = rebuild.difference?.columns ?? {};
    const difference = { ...(await countDifference(session, dataset, rebuild)), columns };
    if (input.removing === 'few') checkRemoval(rebuild, difference);
    const written = await write(session, dataset, rebuild);
    checkWritten(rebuild, difference, written);
    const stored = await checkStored(session, dataset, rebuild, difference);
    await endRebuild(session, { dataset, rebuild, difference, written, stored, provenance, startedAt });
    await session.query('commit');
    return applied(rebuild, difference);
  });
}

/** Counts that were checked: what differed is what was written. */
function applied({ removes }: Rebuild, difference: Difference): AppliedRebuild {
  const { missing, different, extra } = difference;
  return {
    outcome: 'applied',
    difference,
    inserted: missing,
    updated: different,
    removed: removes ? extra : 0,
  };
}

/** The part of the live tickets that is removed without anybody having seen how many: one in so many. */
const FEW = 5;

/** @throws TidemarkFailure BadRequest where more than few tickets would be removed: a wrong file to begin with does that */
function checkRemoval({ removes, dataset }: Rebuild, { stored, extra }: Difference): void {
  if (!removes || extra * FEW <= stored) return;
  throw new TidemarkFailure(
    'BadRequest',
    `${extra} of ${stored} tickets would be removed, more than a fifth; nothing was changed`,
    { dataset },
    'Look at them first, on a terminal and without --yes; or say that it may be so many: --yes --remove-many',
  );
}

/** Merges what was loaded meanwhile; undefined, and nothing done, where that is too much while others wait. */
async function catchUp(
  session: Session,
  { store }: Deps,
  dataset: Dataset,
  rebuild: Rebuild,
  signal: AbortSignal,
): Promise<Rebuild | undefined> {
  const { name } = dataset;
  if (rebuild.state !== 'compared') {
    throw new TidemarkFailure('BadRequest', 'this rebuild was given up', { dataset: name });
  }
  await checkNotAdopted(session, rebuild);
  const around = await lookAround(session, { dataset: name, after: rebuild.lastDeed, upTo: rebuild.upTo });
  if (around.files > MAX_CAUGHT_UP.files || around.bytes > MAX_CAUGHT_UP.bytes) return undefined;
  // All of it in memory before anything is staged: no COPY waits for S3 while the lock is held, and no staging table is
  // made in a transaction that is then given up, since the connection is remembered to have one.
  const reads: ReadDeed[] = [];
  const deeds = readHistory(session, { dataset: name, after: rebuild.lastDeed, upTo: around.newest });
  for await (const deed of deeds) {
    if (!REPLAY_MODES[deed.exportType]) continue;
    const content = await contentOf(store, dataset, deed, { signal });
    if (content.state === 'found' && !content.held) return undefined;
    reads.push({ deed, content });
  }
  let further = rebuild;
  for (const read of reads) {
    const staged = await stageDeed(session, { store, dataset, read, signal });
    further = await mergeDeed(session, { dataset, rebuild: further, deed: read.deed, staged });
  }
  return further;
}

async function write(session: Session, dataset: Dataset, rebuild: Rebuild): Promise<Written> {
  try {
    return await writeDifference(session, dataset, rebuild);
  } catch (error) {
    if (!(error instanceof TidemarkFailure) || error.kind !== 'ValueRefused') throw error;
    throw new TidemarkFailure(
      'PostgresRefused',
      'a constraint of the live table refuses the difference; nothing was changed',
      { dataset: dataset.name, ...error.details },
      'Where other tables refer to tickets that are to be removed: take that out of the way, or rebuild without --remove',
    );
  }
}

/** @throws TidemarkFailure where somebody wrote into the table beside the lock */
function checkWritten(
  { removes, dataset }: Rebuild,
  { missing, different, extra }: Difference,
  { inserted, updated, removed }: Written,
): void {
  if (inserted === missing && updated === different && removed === (removes ? extra : 0)) return;
  throw new TidemarkFailure(
    'AccountingMismatch',
    `${missing} rows missing, ${different} different, ${extra} extra; ${inserted} inserted, ${updated} updated, ${removed} removed`,
    { dataset },
  );
}
