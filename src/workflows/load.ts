import { isCancellation, type ApplicationFailure } from '@temporalio/workflow';
import type {
  ListedFile,
  LoadFileResult,
  LoadMode,
  LoadSmallFilesInput,
  LoadSmallFilesResult,
} from '../activities/interface.ts';
import { nameOf } from '../domain/changeFile.ts';
import { LARGE_FILE_BYTES, SLOT_MS, textBytes } from '../domain/slots.ts';
import { finalFailure, large, local, once, ordinary, unwrapped } from './activityCalls.ts';
import { sizeOf } from './details.ts';
import type { Run } from './run.ts';

/** Up to so many bytes of text files are loaded several at a time, each still in a transaction of its own. */
export const SMALL_FILE_BYTES = 256 * 1024;

/**
 * Up to this many small files go through a local activity, which costs about 3 ms of Temporal's time instead of 50 to
 * 125 (measured on the dev server). A backlog does not: its local activities would keep one workflow task open, so that
 * nothing is recorded or shown before its end.
 */
export const LOCAL_BATCH = 50;

/** Small files in one ordinary activity: its result stays under 50 KB, its work within a second or two. */
export const MAX_BATCH = 100;

/** What the next load came to: results of the first files, then perhaps the failure at which the dataset stops. */
export interface Loaded {
  readonly results: readonly LoadFileResult[];
  readonly failure?: ApplicationFailure;
}

/**
 * Loads the next file, or the next few where they are small. A file that this one try does not load goes to
 * `loadFile`, which retries; what the reader refuses is final in either.
 */
export async function loadNext(run: Run, files: readonly ListedFile[]): Promise<Loaded> {
  const [first] = files;
  if (!first) return { results: [] };
  const batch = smallBatch(files);
  if (batch.length > 0) {
    run.loads(batch);
    const tried = await tryOnce(run, batch);
    if (tried && (tried.results.length > 0 || tried.failure)) {
      return { results: tried.results, ...(tried.failure && { failure: finalFailure(tried.failure) }) };
    }
  }
  run.loads([first]);
  return { results: [await loadOne(run, first)] };
}

/** Loads one file; one that is large, or that an ordinary slot is too short for, in a slot for large ones. */
async function loadOne({ dataset, known }: Run, file: ListedFile): Promise<LoadFileResult> {
  const summary = summaryOf([file]);
  const input = { dataset, key: file.key, etag: file.etag, mode: modeOf(file), ...known };
  if (textBytes(file) < LARGE_FILE_BYTES) {
    const brief = { ...input, withinMs: SLOT_MS };
    const result = await unwrapped(ordinary.loadFile.executeWithOptions({ summary }, [brief]));
    if (result.outcome !== 'slow') return result;
  }
  return unwrapped(large().loadFile.executeWithOptions({ summary }, [input]));
}

/** The leading files that are small. */
function smallBatch(files: readonly ListedFile[]): readonly ListedFile[] {
  const large = files.findIndex((file) => textBytes(file) > SMALL_FILE_BYTES);
  return files.slice(0, Math.min(large < 0 ? files.length : large, MAX_BATCH));
}

async function tryOnce(
  { dataset, known }: Run,
  files: readonly ListedFile[],
): Promise<LoadSmallFilesResult | undefined> {
  const input: LoadSmallFilesInput = {
    dataset,
    files: files.map((file) => ({ key: file.key, etag: file.etag, mode: modeOf(file) })),
    ...known,
  };
  const options = { summary: summaryOf(files) };
  try {
    return files.length <= LOCAL_BATCH
      ? await local.loadSmallFiles.executeWithOptions(options, [input])
      : await once.loadSmallFiles.executeWithOptions(options, [{ ...input, withinMs: SLOT_MS }]);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return undefined;
  }
}

/** What the UI says of one file or several. */
export function summaryOf(files: readonly ListedFile[]): string {
  const names = [files.at(0), files.at(-1)].map((file) => nameOf(file?.key ?? ''));
  const size = sizeOf(files.reduce((sum, file) => sum + file.size, 0));
  return files.length === 1
    ? `${names[0]} · ${size}`
    : `${files.length} files, ${names.join(' to ')} · ${size}`;
}

function modeOf({ state }: ListedFile): LoadMode {
  return state === 'late' ? 'late' : 'inOrder';
}
