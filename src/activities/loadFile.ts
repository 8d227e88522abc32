import { isContent, TidemarkFailure } from '../domain/failures.ts';
import { definitionOf } from '../datasets/definition.ts';
import { recordFailure } from '../postgres/failureLog.ts';
import { readDeed, skippedKeys } from '../postgres/ledger.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { Reject } from '../rows/row.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { LoadFileInput, LoadFileResult } from './interface.ts';
import { leash } from './leash.ts';
import { loadLarge, type LoadJob } from './loadJob.ts';

/**
 * Loads one change file: streams it into staging, then applies it in one short transaction.
 *
 * Repeatable: an attempt that finds the file in the ledger loads nothing. So one whose time is over may be followed by
 * another at once, whatever became of its commit.
 */
export async function loadFile(deps: Deps, input: LoadFileInput, attempt: Attempt): Promise<LoadFileResult> {
  const time = leash(attempt.signal, input.withinMs);
  try {
    return await load(deps, input, { ...attempt, signal: time.signal });
  } catch (error) {
    if (time.isOver()) return { outcome: 'slow' };
    throw error;
  } finally {
    time.release();
  }
}

async function load(deps: Deps, input: LoadFileInput, attempt: Attempt): Promise<LoadFileResult> {
  const dataset = findDataset(deps.datasets, input.dataset);
  const { provenance } = attempt;
  const found = await findLoaded(deps.pool, { dataset, file: input, provenance });
  if (found) return found;
  let size = 0;
  const job: LoadJob = {
    dataset,
    file: input,
    knownWatermark: input.watermark,
    patience: 'bounded',
    provenance,
    open: async () => {
      const body = await deps.store.read({ key: input.key, etag: input.etag, signal: attempt.signal });
      size = body.size;
      return body;
    },
    onRead: (read) => attempt.tell?.({ key: input.key, size, ...read }),
  };
  return remembering(deps, job, (rejects) => loadLarge(deps, job, attempt.signal, rejects));
}

/**
 * What the ledger says of a file, if it has it: `applied` where this very run wrote it, whose answer to the commit was
 * lost or whose worker died before Temporal heard of it; `already` where another one did.
 */
async function findLoaded(
  db: Queryable,
  { dataset, file, provenance }: Pick<LoadJob, 'dataset' | 'file' | 'provenance'>,
): Promise<LoadFileResult | undefined> {
  const deed = await readDeed(db, { dataset: dataset.name, key: file.key });
  if (!deed) return undefined;
  const { runId, ...said } = deed;
  const ours = runId !== null && runId !== '' && runId === provenance['run_id'];
  return ours ? { outcome: 'applied', ...said } : { outcome: 'already', watermark: said.watermark };
}

/**
 * Runs a load, and remembers in PostgreSQL a content that it refuses, or a file that has vanished, before the failure
 * is thrown on with its place.
 */
export async function remembering(
  { pool }: Pick<Deps, 'pool'>,
  { dataset, file, provenance }: Pick<LoadJob, 'dataset' | 'file' | 'provenance'>,
  load: (rejects: Reject[]) => Promise<LoadFileResult>,
): Promise<LoadFileResult> {
  const rejects: Reject[] = [];
  try {
    const result = await load(rejects);
    if (result.outcome !== 'already') return result;
    return (await findLoaded(pool, { dataset, file, provenance })) ?? result;
  } catch (error) {
    if (!(error instanceof TidemarkFailure)) throw error;
    if (error.kind === 'ObjectReplaced') return { outcome: 'replaced' };
    const vanished = error.kind === 'FileVanished';
    // Gone, but perhaps archived by another run that applied it meanwhile.
    const found = vanished ? await findLoaded(pool, { dataset, file, provenance }) : undefined;
    if (found) return found;
    const place = { dataset: dataset.name, key: file.key };
    const failure = error.at(place);
    if (!vanished && !isContent(failure.kind)) throw failure;
    // Skipped by a person meanwhile, and perhaps moved: the next listing sees it so.
    if ((await skippedKeys(pool, dataset.name, [file])).size > 0) return { outcome: 'replaced' };
    await recordFailure(pool, {
      ...place,
      etag: file.etag,
      failure,
      rejects,
      definition: definitionOf(dataset),
    });
    throw failure;
  }
}
