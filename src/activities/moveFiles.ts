import { archiveKey, skippedKey } from '../domain/changeFile.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { markMoved } from '../postgres/ledger.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { MoveFilesInput, MoveFilesResult } from './interface.ts';

/** Moves under way at once: a move is five requests one after the other, so several hide each other's waiting. */
const SIDE_BY_SIDE = 8;

type File = MoveFilesInput['files'][number];

/**
 * Moves applied files to `processed/` and skipped ones to `skipped/`, and notes it in the ledger. Repeatable after a
 * crash at any point: what is there already is only noted.
 */
export async function moveFiles(
  deps: Deps,
  input: MoveFilesInput,
  { signal }: Attempt,
): Promise<MoveFilesResult> {
  const dataset = findDataset(deps.datasets, input.dataset);
  const left = [...input.files];
  const moved: File[] = [];
  const notMoved: { key: string; outcome: 'changed' | 'missing' }[] = [];
  const mover = async (): Promise<void> => {
    for (let file = left.shift(); file; file = left.shift()) {
      const { key, etag } = file;
      const { outcome } = await deps.store.move({ from: key, to: targetOf(dataset, file), etag, signal });
      if (outcome === 'changed' || outcome === 'missing') notMoved.push({ key, outcome });
      else moved.push(file);
    }
  };
  const movers = await Promise.allSettled(Array.from({ length: SIDE_BY_SIDE }, mover));
  await note(deps, dataset, moved);
  const failed = movers.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return { moved: moved.length, notMoved };
}

function targetOf(dataset: Dataset, { key, to }: File): string {
  return to === 'processed' ? archiveKey(dataset, key) : skippedKey(dataset, key);
}

async function note({ pool }: Deps, dataset: Dataset, files: readonly File[]): Promise<void> {
  for (const to of ['processed', 'skipped'] as const) {
    const keys = files.filter((file) => file.to === to).map((file) => file.key);
    if (keys.length > 0) await markMoved(pool, { dataset: dataset.name, keys, to });
  }
}
