import type { Dataset } from '../datasets/dataset.ts';
import { readHistory, type HistoricDeed } from '../postgres/history.ts';
import type { Session } from '../postgres/pool.ts';
import { lookAround } from '../postgres/rebuildHistory.ts';
import { checkDefinition, noteRebuild, readRebuild, type Rebuild } from '../postgres/rebuildRecord.ts';
import { actAsRebuilder, builtTable } from '../postgres/rebuildTable.ts';
import { contentOf } from './contentOf.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import { lookAhead } from './lookAhead.ts';
import { mergeDeed, stageDeed, type ReadDeed } from './mergeDeed.ts';
import type { BuiltFiles, RebuildInput } from './rebuildInterface.ts';
import { REPLAY_MODES } from './replayFile.ts';

/** Files merged by one activity: what a retry has to look at again stays small, and so does the history. */
const MAX_FILES = 500;

/** Objects read at a time. */
const WIDTH = 8;

/** A table that has grown by so many rows at once is looked at by the planner again, without waiting for autovacuum. */
const MANY_ROWS = 10_000;

/**
 * Merges the next files of the ledger into the table that is being built, each in a transaction of its own together with
 * the build's watermark: a retry goes on behind the last that was committed.
 *
 * @throws TidemarkFailure ArchiveGap where a file is gone or has other bytes than the ledger says
 */
export async function buildFiles(deps: Deps, input: RebuildInput, { signal }: Attempt): Promise<BuiltFiles> {
  const dataset = findDataset(deps.datasets, input.dataset);
  return deps.pool.withSession(signal, async (session) => {
    await actAsRebuilder(session);
    let rebuild = await readRebuild(session, input.rebuild);
    checkDefinition(rebuild, dataset);
    const { upTo, lastDeed, filesDone } = rebuild;
    const around = await lookAround(session, { dataset: dataset.name, after: lastDeed, upTo });
    await noteRebuild(session, rebuild.id, { filesTotal: filesDone + around.files });
    const deeds = loads(
      readHistory(deps.pool, { dataset: dataset.name, after: lastDeed, upTo: around.newest }),
    );
    const looks = lookAhead(deeds, WIDTH, async (deed) => ({
      deed,
      content: await contentOf(deps.store, dataset, deed, { signal }),
    }));
    for await (const read of looks)
      rebuild = await buildOne(session, { deps, dataset, rebuild, read, signal });
    const merged = rebuild.filesDone - filesDone;
    return { done: rebuild.filesDone, left: around.files - merged, rows: rebuild.rowsBuilt };
  });
}

/** The first deeds that put rows into the table. */
async function* loads(deeds: AsyncIterable<HistoricDeed>): AsyncGenerator<HistoricDeed, void> {
  let n = 0;
  for await (const deed of deeds) {
    if (!REPLAY_MODES[deed.exportType]) continue;
    yield deed;
    if (++n === MAX_FILES) return;
  }
}

interface BuildOne {
  readonly deps: Deps;
  readonly dataset: Dataset;
  readonly rebuild: Rebuild;
  readonly read: ReadDeed;
  readonly signal: AbortSignal;
}

async function buildOne(
  session: Session,
  { deps, dataset, rebuild, read, signal }: BuildOne,
): Promise<Rebuild> {
  const staged = await stageDeed(session, { store: deps.store, dataset, read, signal });
  await session.query('begin');
  const further = await mergeDeed(session, { dataset, rebuild, deed: read.deed, staged });
  await session.query('commit');
  if (staged.staged > MANY_ROWS) await session.queryLong(`analyze ${builtTable(rebuild)}`);
  return further;
}
