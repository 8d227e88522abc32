import { isCancellation } from '@temporalio/workflow';
import type { ListedFile, LoadFileInput, LoadFileResult } from '../activities/interface.ts';
import { isFinalFailure, local, ordinary, unwrapped } from './activityCalls.ts';

/**
 * Up to this listed size, bytes, a file is first tried as a local activity: about 3 ms of Temporal's time instead of
 * 50 to 125 (measured on the dev server).
 */
export const SMALL_FILE_BYTES = 256 * 1024;

/** Loads one file. A small one that the first try does not load goes to the ordinary activity, which retries. */
export async function load(dataset: string, file: ListedFile): Promise<LoadFileResult> {
  const { key, etag, size, state } = file;
  const input = { dataset, key, etag, mode: state === 'late' ? 'late' : 'inOrder' } as const;
  const summary = `${nameOf(key)} · ${sizeOf(size)}`;
  if (size <= SMALL_FILE_BYTES) {
    const first = await tryLocally({ ...input, patience: 'none' }, summary);
    if (first) return first;
  }
  return unwrapped(ordinary.loadFile.executeWithOptions({ summary }, [{ ...input, patience: 'bounded' }]));
}

async function tryLocally(input: LoadFileInput, summary: string): Promise<LoadFileResult | undefined> {
  try {
    return await local.loadFile.executeWithOptions({ summary }, [input]);
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (isFinalFailure(error)) return unwrapped(Promise.reject(error));
    return undefined;
  }
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
