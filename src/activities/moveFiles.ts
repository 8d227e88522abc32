import { archiveKey, skippedKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { loadedKeys, skippedKeys } from '../postgres/ledger.ts';
import { markMissing, markMoved } from '../postgres/moved.ts';
import type { Move, MoveAttempt, ObjectStore } from '../s3/objectStore.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { MoveFilesInput, MoveFilesResult } from './interface.ts';
import { leash, type Leash } from './leash.ts';

type File = MoveFilesInput['files'][number];

/**
 * Moves applied files to `processed/` and skipped ones to `skipped/`, and notes it in the ledger. Repeatable after a
 * crash at any point: what is there already is only noted. An applied file whose object is gone for good is said once,
 * and owes nothing any more.
 *
 * @throws TidemarkFailure LedgerBehind, once all others were tried, where the ledger has no such deed any more: the file
 * stays, since under `processed/` its rows would be missed by nobody
 */
export async function moveFiles(
  { datasets, store, pool }: Deps,
  input: MoveFilesInput,
  { signal }: Attempt,
): Promise<MoveFilesResult> {
  const time = leash(signal, input.withinMs);
  try {
    return await move({ datasets, store, pool }, input, time);
  } finally {
    time.release();
  }
}

async function move(
  { datasets, store, pool }: Deps,
  input: MoveFilesInput,
  time: Leash,
): Promise<MoveFilesResult> {
  const dataset = findDataset(datasets, input.dataset);
  const result: { moved: number; notMoved: { key: string; outcome: 'changed' | 'missing' }[] } = {
    moved: 0,
    notMoved: [],
  };
  let failure: TidemarkFailure | undefined;
  const later: string[] = [];
  let forgotten: File | undefined;
  for (const to of ['processed', 'skipped'] as const) {
    const asked = input.files.filter((file) => file.to === to);
    if (asked.length === 0) continue;
    const known =
      to === 'processed'
        ? await loadedKeys(
            pool,
            dataset.name,
            asked.map(({ key }) => key),
          )
        : await skippedKeys(pool, dataset.name, asked);
    forgotten ??= asked.find(({ key }) => !known.has(key));
    const files = asked.filter(({ key }) => known.has(key));
    const moves = files.map((file) => ({ from: file.key, to: targetOf(dataset, file), etag: file.etag }));
    const attempts = await moveWithin(store, moves, time);
    const arrived: string[] = [];
    for (const [i, { key }] of files.entries()) {
      const attempt = attempts[i];
      if (attempt?.outcome === 'failed' && attempt.failure.kind === 'Cancelled' && time.isOver())
        later.push(key);
      else if (attempt?.outcome === 'failed') failure ??= attempt.failure;
      else if (attempt?.outcome === 'changed' || attempt?.outcome === 'missing')
        result.notMoved.push({ key, outcome: attempt.outcome });
      else arrived.push(key);
    }
    const missing = files.filter((_file, i) => attempts[i]?.outcome === 'missing').map(({ key }) => key);
    if (missing.length > 0 && to === 'processed')
      await markMissing(pool, { dataset: dataset.name, keys: missing });
    if (arrived.length > 0) await markMoved(pool, { dataset: dataset.name, keys: arrived, to });
    result.moved += arrived.length;
  }
  // Last: it is final, and what failed otherwise may be tried again.
  if (forgotten) failure ??= ledgerWentBack(forgotten);
  if (failure) throw failure.at({ dataset: dataset.name });
  return later.length > 0 ? { ...result, later } : result;
}

/** As `moveAll`; where the time is over before it knows, each of them failed by that. */
async function moveWithin(
  store: ObjectStore,
  moves: readonly Move[],
  time: Leash,
): Promise<readonly MoveAttempt[]> {
  try {
    return await store.moveAll({ moves, signal: time.signal });
  } catch (error) {
    if (!time.isOver() || !(error instanceof TidemarkFailure)) throw error;
    return moves.map(() => ({ outcome: 'failed', failure: error }));
  }
}

function targetOf(dataset: Dataset, { key, to }: File): string {
  return to === 'processed' ? archiveKey(dataset, key) : skippedKey(dataset, key);
}

/** A fail-over may have lost what was committed. The file lies where it lay, for a listing to find. */
function ledgerWentBack({ key, to }: File): TidemarkFailure {
  return new TidemarkFailure(
    'LedgerBehind',
    `this run knows it to be ${to === 'skipped' ? 'skipped' : 'applied'}, and the ledger does not any more`,
    { key },
    'PostgreSQL went back to an earlier point. The file is left in changes/, and the next run deals with it anew',
  );
}
