import type { Dataset } from '../datasets/dataset.ts';
import { definitionOf } from '../datasets/definition.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { readHistory } from '../postgres/history.ts';
import type { Queryable } from '../postgres/queryable.ts';
import {
  findApplied,
  findBase,
  lookAround,
  refuseAdopted,
  type Around,
  type BaseRef,
} from '../postgres/rebuildHistory.ts';
import { lockOpenRebuilds, lockRebuild, noteRebuild, type Rebuild } from '../postgres/rebuildRecord.ts';
import { actAsRebuilder, asOfTable, createBuild, dropBuild, isBuilt } from '../postgres/rebuildTable.ts';
import { isSomewhere } from './contentOf.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import { lookAhead } from './lookAhead.ts';
import type { BeginRebuildInput, BegunRebuild } from './rebuildInterface.ts';
import { REPLAY_MODES } from './replayFile.ts';

/** Objects looked for at a time. */
const WIDTH = 16;

/**
 * Decides from the ledger what is to be built, looks whether all its files are there, and creates the empty table. A
 * rebuild that was given up on the way leaves its table; the next one of the dataset drops it.
 *
 * @throws TidemarkFailure BadRequest where it cannot be built as asked, ArchiveGap where a file is missing
 */
export async function beginRebuild(
  deps: Deps,
  input: BeginRebuildInput,
  attempt: Attempt,
): Promise<BegunRebuild> {
  const dataset = findDataset(deps.datasets, input.dataset);
  const runId = attempt.provenance['run_id'] ?? '';
  return deps.pool.withSession(attempt.signal, async (session) => {
    await actAsRebuilder(session);
    await session.query('begin');
    const rebuild = await lockRebuild(session, input.rebuild);
    const begun = isBegun(rebuild, { dataset: dataset.name, runId });
    await session.query('commit');
    if (begun) return toBegun(rebuild);
    const plan = await planRebuild(session, dataset, rebuild);
    if (rebuild.removes && input.removesIncomplete !== true) refuseIncomplete(dataset, plan.base);
    await checkFiles(deps, dataset, plan, attempt.signal);
    await session.query('begin');
    // Asked again: another attempt may have come between.
    const still = await lockRebuild(session, input.rebuild);
    if (isBegun(still, { dataset: dataset.name, runId })) {
      await session.query('rollback');
      return toBegun(still);
    }
    for (const other of await lockOpenRebuilds(session, { dataset: dataset.name, but: rebuild.id })) {
      await dropBuild(session, other);
      await noteRebuild(session, other.id, { state: 'dropped', table: null });
    }
    const table = `${dataset.table}_${rebuild.id}`;
    await createBuild(session, dataset, table);
    const changes = {
      state: 'building',
      runId,
      baseId: plan.base.id,
      baseKey: plan.base.key,
      lastDeed: plan.base.id - 1,
      upTo: plan.upTo,
      lineage: plan.around.isWhole,
      filesTotal: plan.around.files,
      table,
      definition: definitionOf(dataset),
    } as const;
    await noteRebuild(session, rebuild.id, changes);
    await session.query('commit');
    return toBegun({ ...rebuild, ...changes });
  });
}

/** @throws TidemarkFailure BadRequest where it is not this run's to begin */
function isBegun(rebuild: Rebuild, of: { readonly dataset: string; readonly runId: string }): boolean {
  if (rebuild.dataset === of.dataset) {
    if (rebuild.state === 'asked') return false;
    if (rebuild.runId === of.runId && rebuild.state !== 'dropped') return true;
  }
  throw new TidemarkFailure(
    'BadRequest',
    'this rebuild was begun before, by another run',
    { dataset: of.dataset },
    'Ask for a new one: tidemark rebuild <dataset> --reason TEXT',
  );
}

function toBegun({ baseKey, filesTotal, asOf }: Rebuild): BegunRebuild {
  return { from: baseKey ?? '', files: filesTotal, ...(asOf !== null && { asOf }) };
}

interface Plan {
  readonly base: BaseRef;
  readonly upTo: number | null;
  readonly around: Around;
}

async function planRebuild(db: Queryable, dataset: Dataset, { from, asOf }: Rebuild): Promise<Plan> {
  const { name } = dataset;
  const refuse = (what: string, next: string, key?: string): TidemarkFailure =>
    new TidemarkFailure('BadRequest', what, { dataset: name, ...(key !== undefined && { key }) }, next);
  const last = asOf === null ? undefined : await findApplied(db, { dataset: name, key: asOf });
  if (asOf !== null && !last) {
    throw refuse(
      'the ledger does not know this file as applied',
      'See what is: tidemark files <dataset>',
      asOf,
    );
  }
  if (asOf !== null && (await isBuilt(db, asOfTable(dataset, asOf)))) {
    throw refuse(`tickets_rebuild.${asOfTable(dataset, asOf)} is there already`, 'Drop it first', asOf);
  }
  const upTo = last?.id ?? null;
  const base = await findBase(db, { dataset: name, key: from, upTo });
  if (!base) {
    throw from === null
      ? refuse(
          'no file of the ledger is a baseline: what another loader did is not known',
          'Name a file that has all tickets: tidemark rebuild <dataset> --from KEY --reason TEXT',
        )
      : refuse(
          'a rebuild begins with a file that was applied in its order, and the ledger has no such one',
          'Load it first: tidemark start <dataset> --wait',
          from,
        );
  }
  if (base.rows < dataset.minBaselineRows) {
    throw refuse(
      `it has ${base.rows} rows, and a baseline of the dataset at least ${dataset.minBaselineRows} (minBaselineRows)`,
      'Begin with a file that has all tickets: tidemark rebuild <dataset> --from KEY --reason TEXT',
      base.key,
    );
  }
  const around = await lookAround(db, { dataset: name, after: base.id - 1, upTo });
  refuseAdopted(around, { dataset: name, from: base.key });
  return { base, upTo, around };
}

/** @throws TidemarkFailure BadRequest where the file may lack tickets that the source has: they would be removed */
function refuseIncomplete({ name }: Dataset, { key, truncated, rejected }: BaseRef): void {
  const lacks = [
    truncated ? 'it was cut short by the exporter' : '',
    rejected > 0 ? `it has rejected rows (${rejected})` : '',
  ].filter(Boolean);
  if (lacks.length === 0) return;
  throw new TidemarkFailure(
    'BadRequest',
    `${lacks.join(', and ')}: tickets that it lacks would be removed`,
    { dataset: name, key },
    'Begin with a file that is whole (--from KEY), or rebuild without --remove; or say that they may go: --remove-incomplete',
  );
}

/** Long before they are merged: a rebuild of hours shall not end at a file that was missing from the beginning. */
async function checkFiles(
  { store, pool }: Deps,
  dataset: Dataset,
  { base, around }: Plan,
  signal: AbortSignal,
): Promise<void> {
  const deeds = readHistory(pool, { dataset: dataset.name, after: base.id - 1, upTo: around.newest });
  const looks = lookAhead(deeds, WIDTH, async (deed) => ({
    deed,
    there: REPLAY_MODES[deed.exportType] === undefined || (await isSomewhere(store, dataset, deed, signal)),
  }));
  let missing = 0;
  let first: string | undefined;
  for await (const { deed, there } of looks) {
    signal.throwIfAborted();
    if (there) continue;
    missing += 1;
    first ??= deed.key;
  }
  if (first === undefined) return;
  const others = missing === 1 ? '' : `, and so are ${missing - 1} more`;
  throw new TidemarkFailure('ArchiveGap', `its object is gone, from changes/ and from the archive${others}`, {
    dataset: dataset.name,
    key: first,
  });
}
