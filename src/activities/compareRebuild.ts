import type { Session } from '../postgres/pool.ts';
import { checkNotAdopted } from '../postgres/rebuildDeed.ts';
import { lookAround } from '../postgres/rebuildHistory.ts';
import {
  checkDefinition,
  lockRebuild,
  noteRebuild,
  readRebuild,
  type Rebuild,
} from '../postgres/rebuildRecord.ts';
import {
  actAsRebuilder,
  asOfTable,
  builtTable,
  checkBuild,
  countColumns,
  countDifference,
  dropBuild,
  grantAsLive,
  hasPolicies,
  keepBuild,
  keepFoundRows,
} from '../postgres/rebuildTable.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { ComparedRebuild, KeptRebuild, RebuildInput } from './rebuildInterface.ts';

/** Another attempt that has the rebuild's row is waited for less long than an answer. */
const BEGIN_HELD = `begin; set local lock_timeout = '10s'`;

/** Compares the built table with the live one, at one moment and without a lock. Repeatable. */
export async function compareRebuild(
  deps: Deps,
  input: RebuildInput,
  { signal }: Attempt,
): Promise<ComparedRebuild> {
  const dataset = findDataset(deps.datasets, input.dataset);
  return deps.pool.withSession(signal, async (session) => {
    await actAsRebuilder(session);
    await session.queryLong(`analyze ${builtTable(await readRebuild(session, input.rebuild))}`);
    await session.query('begin isolation level repeatable read');
    const rebuild = await readRebuild(session, input.rebuild);
    checkDefinition(rebuild, dataset);
    if (await isBehind(session, rebuild)) {
      await session.query('rollback');
      return { outcome: 'behind' };
    }
    await checkBuild(session, rebuild);
    const counts = await countDifference(session, dataset, rebuild);
    const columns = counts.different > 0 ? await countColumns(session, dataset, rebuild) : {};
    const difference = { ...counts, columns };
    await keepFoundRows(session, dataset, rebuild);
    await noteRebuild(session, rebuild.id, { state: 'compared', difference });
    await session.query('commit');
    return { outcome: 'compared', difference };
  });
}

/** Whether the ledger has files that the build has not. @throws TidemarkFailure where they will not do any more */
async function isBehind(session: Session, rebuild: Rebuild): Promise<boolean> {
  const { dataset, lastDeed, upTo } = rebuild;
  await checkNotAdopted(session, rebuild);
  return (await lookAround(session, { dataset, after: lastDeed, upTo })).files > 0;
}

/** Gives the built table its lasting name. Repeatable. */
export async function keepRebuild(
  deps: Deps,
  input: RebuildInput,
  { signal }: Attempt,
): Promise<KeptRebuild> {
  const dataset = findDataset(deps.datasets, input.dataset);
  return deps.pool.withSession(signal, async (session) => {
    await actAsRebuilder(session);
    await session.query(BEGIN_HELD);
    const rebuild = await lockRebuild(session, input.rebuild);
    const name = asOfTable(dataset, rebuild.asOf ?? '');
    // Policies are not copied: grants alone would show rows that the live table hides.
    const secured = await hasPolicies(session, dataset);
    const kept = {
      table: `tickets_rebuild.${name}`,
      rows: rebuild.rowsBuilt,
      ...(secured && { grants: 'withheld' as const }),
    };
    if (rebuild.state === 'kept') {
      await session.query('rollback');
      return kept;
    }
    checkDefinition(rebuild, dataset);
    await checkBuild(session, rebuild);
    await keepBuild(session, rebuild, name);
    if (!secured) await grantAsLive(session, dataset, name);
    await noteRebuild(session, rebuild.id, { state: 'kept', table: name });
    await session.query('commit');
    return kept;
  });
}

/** Drops the table of a rebuild of this run that comes to no end; another run's is left alone. Repeatable. */
export async function dropRebuild(
  deps: Deps,
  input: RebuildInput,
  { signal, provenance }: Attempt,
): Promise<void> {
  await deps.pool.withSession(signal, async (session) => {
    await actAsRebuilder(session);
    await session.query(BEGIN_HELD);
    const rebuild = await lockRebuild(session, input.rebuild);
    const isOver = ['applied', 'kept', 'dropped'].includes(rebuild.state);
    // One that nobody has begun is of who was started for it.
    const isOurs = rebuild.dataset === input.dataset && [null, provenance['run_id']].includes(rebuild.runId);
    if (isOurs && !isOver) {
      await dropBuild(session, rebuild);
      await noteRebuild(session, rebuild.id, { state: 'dropped', table: null });
    }
    await session.query('commit');
  });
}
