import { archiveKey, skippedKey } from '../domain/changeFile.ts';
import { markMoved } from '../postgres/ledger.ts';
import type { MoveOutcome } from '../s3/objectStore.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { MoveFileInput, MoveFileResult } from './interface.ts';

/** Moves an applied file to `processed/` and notes it in the ledger. Repeatable after a crash at any point. */
export async function archiveFile(
  { datasets, store, pool }: Deps,
  input: MoveFileInput,
  { signal }: Attempt,
): Promise<MoveFileResult> {
  const dataset = findDataset(datasets, input.dataset);
  const { key, etag } = input;
  const moved = await store.move({ from: key, to: archiveKey(dataset, key), etag, signal });
  if (hasArrived(moved)) await markMoved(pool, { dataset: dataset.name, key, deed: 'loaded' });
  return moved;
}

/** Moves a skipped file to `skipped/` and notes it in the ledger. Repeatable after a crash at any point. */
export async function setAsideFile(
  { datasets, store, pool }: Deps,
  input: MoveFileInput,
  { signal }: Attempt,
): Promise<MoveFileResult> {
  const dataset = findDataset(datasets, input.dataset);
  const { key, etag } = input;
  const moved = await store.move({ from: key, to: skippedKey(dataset, key), etag, signal });
  if (hasArrived(moved)) await markMoved(pool, { dataset: dataset.name, key, deed: 'skipped' });
  return moved;
}

function hasArrived(moved: MoveOutcome): boolean {
  return moved.outcome === 'moved' || moved.outcome === 'already';
}
