import type { Session } from '../postgres/pool.ts';
import { lookAround } from '../postgres/rebuildHistory.ts';
import { noteRebuild, readRebuild, type Rebuild } from '../postgres/rebuildRecord.ts';
import {
  actAsRebuilder,
  asOfTable,
  builtTable,
  checkBuild,
  countColumns,
  countDifference,
  dropBuild,
  keepBuild,
  keepFoundRows,
} from '../postgres/rebuildTable.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { ComparedRebuild, KeptRebuild, RebuildInput } from './rebuildInterface.ts';

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

/** Whether the ledger has files that the build has not. */
async function isBehind(session: Session, { dataset, lastDeed, upTo }: Rebuild): Promise<boolean> {
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
    const rebuild = await readRebuild(session, input.rebuild);
    const name = asOfTable(dataset, rebuild.asOf ?? '');
    const kept = { table: `tickets_rebuild.${name}`, rows: rebuild.rowsBuilt };
    if (rebuild.state === 'kept') return kept;
    await checkBuild(session, rebuild);
    await session.query('begin');
    await keepBuild(session, dataset, rebuild, name);
    await noteRebuild(session, rebuild.id, { state: 'kept', table: name });
    await session.query('commit');
    return kept;
  });
}

/** Drops the table of a rebuild that comes to no end. Repeatable. */
export async function dropRebuild(deps: Deps, input: RebuildInput, { signal }: Attempt): Promise<void> {
  await deps.pool.withSession(signal, async (session) => {
    await actAsRebuilder(session);
    await session.query('begin');
    const rebuild = await readRebuild(session, input.rebuild);
    const isOver = ['applied', 'kept', 'dropped'].includes(rebuild.state);
    if (!isOver) {
      await dropBuild(session, rebuild);
      await noteRebuild(session, rebuild.id, { state: 'dropped', table: null });
    }
    await session.query('commit');
  });
}
