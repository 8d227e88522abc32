import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type {
  ListedFile,
  LoadFileResult,
  LoadMode,
  LoadSmallFilesInput,
  LoadSmallFilesResult,
} from '../activities/interface.ts';
import { finalFailure, local, ordinary, unwrapped } from './activityCalls.ts';

/**
 * Up to this listed size, bytes, files are first tried in a local activity, several at a time: about 3 ms of
 * Temporal's time instead of 50 to 125 for each (measured on the dev server).
 */
export const SMALL_FILE_BYTES = 256 * 1024;

/** Files in one local activity: its result stays under 20 KB, and its work within a second or two. */
export const MAX_BATCH = 50;

/** What the next load came to: results of the first files, then perhaps the failure at which the dataset stops. */
export interface Loaded {
  readonly results: readonly LoadFileResult[];
  readonly failure?: ApplicationFailure;
}

/**
 * Loads the next file, or the next few where they are small. A file that the local try does not load goes to the
 * ordinary activity, which retries and is seen in the UI; a final failure is final in either.
 */
export async function loadNext(dataset: string, files: readonly ListedFile[]): Promise<Loaded> {
  const [first] = files;
  if (!first) return { results: [] };
  const batch = smallBatch(files);
  if (batch.length > 0) {
    const tried = await tryLocally(dataset, batch);
    if (tried && (tried.results.length > 0 || tried.failure || tried.unfinished)) {
      return { results: tried.results, ...(tried.failure && { failure: finalFailure(tried.failure) }) };
    }
  }
  const summary = `${nameOf(first.key)} · ${sizeOf(first.size)}`;
  const input = { dataset, key: first.key, etag: first.etag, mode: modeOf(first) };
  return { results: [await unwrapped(ordinary.loadFile.executeWithOptions({ summary }, [input]))] };
}

/** The leading files that are small. */
function smallBatch(files: readonly ListedFile[]): readonly ListedFile[] {
  const large = files.findIndex((file) => file.size > SMALL_FILE_BYTES);
  return files.slice(0, Math.min(large < 0 ? files.length : large, MAX_BATCH));
}

async function tryLocally(
  dataset: string,
  files: readonly ListedFile[],
): Promise<LoadSmallFilesResult | undefined> {
  const input: LoadSmallFilesInput = {
    dataset,
    files: files.map((file) => ({ key: file.key, etag: file.etag, mode: modeOf(file) })),
  };
  try {
    return await local.loadSmallFiles.executeWithOptions({ summary: summaryOf(files) }, [input]);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return undefined;
  }
}

/** What the UI says of several files. */
export function summaryOf(files: readonly ListedFile[]): string {
  const names = [files.at(0), files.at(-1)].map((file) => nameOf(file?.key ?? ''));
  return files.length === 1 ? (names[0] ?? '') : `${files.length} files, ${names.join(' to ')}`;
}

function modeOf({ state }: ListedFile): LoadMode {
  return state === 'late' ? 'late' : 'inOrder';
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
