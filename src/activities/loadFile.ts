import type { Dataset } from '../datasets/dataset.ts';
import { isContent, TidemarkFailure } from '../domain/failures.ts';
import { applyStaged, type ApplyResult } from '../postgres/apply.ts';
import { recordFailure } from '../postgres/failureLog.ts';
import { isLoaded } from '../postgres/ledger.ts';
import { openStaging } from '../postgres/stage.ts';
import { readChangeFile } from '../rows/readFile.ts';
import type { Reading, Reject } from '../rows/row.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { LoadFileInput, LoadFileResult } from './interface.ts';

/**
 * Loads one change file: streams it into staging, then applies it in one short transaction.
 *
 * Repeatable: an attempt that finds the file in the ledger loads nothing. A refused content is remembered in
 * `tickets.import_failures` before the failure is thrown.
 */
export async function loadFile(deps: Deps, input: LoadFileInput, attempt: Attempt): Promise<LoadFileResult> {
  const dataset = findDataset(deps.datasets, input.dataset);
  if (await isLoaded(deps.pool, dataset.name, input.key)) return { outcome: 'already' };
  const rejects: Reject[] = [];
  try {
    return await stageAndApply(deps, dataset, input, attempt, rejects);
  } catch (error) {
    if (!(error instanceof TidemarkFailure)) throw error;
    if (error.kind === 'ObjectReplaced') return { outcome: 'replaced' };
    // Gone, and perhaps archived by another run that applied it meanwhile.
    const vanished = error.kind === 'FileVanished';
    if (vanished && (await isLoaded(deps.pool, dataset.name, input.key))) return { outcome: 'already' };
    const failure = error.at({ dataset: dataset.name, key: input.key });
    if (vanished || isContent(failure.kind)) {
      await recordFailure(deps.pool, {
        dataset: dataset.name,
        key: input.key,
        etag: input.etag,
        failure,
        rejects,
      });
    }
    throw failure;
  }
}

async function stageAndApply(
  { store, pool }: Deps,
  dataset: Dataset,
  input: LoadFileInput,
  { signal, provenance }: Attempt,
  rejects: Reject[],
): Promise<ApplyResult> {
  const startedAt = Date.now();
  return pool.withSession(signal, async (session) => {
    const staging = await openStaging(session, dataset);
    const body = await store.read({ key: input.key, etag: input.etag, signal });
    const reading = await readChangeFile({ dataset, chunks: body.chunks, sink: staging.sink });
    refuse(dataset, reading, rejects);
    const staged = await staging.finish();
    return applyStaged(session, { ...input, dataset, reading, staged, startedAt, provenance });
  });
}

/** Fails where the file has more rejected rows than the dataset allows. */
function refuse(dataset: Dataset, reading: Reading, rejects: Reject[]): void {
  if (reading.rejected <= dataset.maxRejects) return;
  rejects.push(...reading.rejects);
  const [first] = reading.rejects;
  throw new TidemarkFailure(
    'RowsRejected',
    `${reading.rejected} row${reading.rejected === 1 ? '' : 's'} rejected; the first: ${first?.reason ?? 'unknown'}`,
    {
      rejected: reading.rejected,
      ...(first && { line: first.line, ...(first.column !== undefined && { column: first.column }) }),
    },
  );
}

