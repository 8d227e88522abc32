import { isContent, TidemarkFailure } from '../domain/failures.ts';
import { definitionOf } from '../datasets/definition.ts';
import { recordFailure } from '../postgres/failureLog.ts';
import { isLoaded, isSkipped } from '../postgres/ledger.ts';
import type { Reject } from '../rows/row.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { LoadFileInput, LoadFileResult } from './interface.ts';
import { loadLarge, type LoadJob } from './loadJob.ts';

/**
 * Loads one change file: streams it into staging, then applies it in one short transaction.
 *
 * Repeatable: an attempt that finds the file in the ledger loads nothing.
 */
export async function loadFile(deps: Deps, input: LoadFileInput, attempt: Attempt): Promise<LoadFileResult> {
  const dataset = findDataset(deps.datasets, input.dataset);
  if (await isLoaded(deps.pool, dataset.name, input.key)) return { outcome: 'already' };
  const job: LoadJob = {
    dataset,
    file: input,
    patience: 'bounded',
    provenance: attempt.provenance,
    open: () => deps.store.read({ key: input.key, etag: input.etag, signal: attempt.signal }),
  };
  return remembering(deps, job, (rejects) => loadLarge(deps, job, attempt.signal, rejects));
}

/**
 * Runs a load, and remembers in PostgreSQL a content that it refuses, or a file that has vanished, before the failure
 * is thrown on with its place.
 */
export async function remembering(
  { pool }: Pick<Deps, 'pool'>,
  { dataset, file }: Pick<LoadJob, 'dataset' | 'file'>,
  load: (rejects: Reject[]) => Promise<LoadFileResult>,
): Promise<LoadFileResult> {
  const rejects: Reject[] = [];
  try {
    return await load(rejects);
  } catch (error) {
    if (!(error instanceof TidemarkFailure)) throw error;
    if (error.kind === 'ObjectReplaced') return { outcome: 'replaced' };
    const vanished = error.kind === 'FileVanished';
    // Gone, but perhaps archived by another run that applied it meanwhile.
    if (vanished && (await isLoaded(pool, dataset.name, file.key))) return { outcome: 'already' };
    const place = { dataset: dataset.name, key: file.key };
    const failure = error.at(place);
    if (!vanished && !isContent(failure.kind)) throw failure;
    // Skipped by a person meanwhile, and perhaps moved: the next listing sees it so.
    if (await isSkipped(pool, { ...place, etag: file.etag })) return { outcome: 'replaced' };
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
