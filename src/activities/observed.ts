import { Context } from '@temporalio/activity';
import { TidemarkFailure, type FailureDetails, type FailureKind } from '../domain/failures.ts';
import type {
  Activities,
  LoadFileResult,
  LoadSmallFilesInput,
  LoadSmallFilesResult,
  MoveFilesInput,
  MoveFilesResult,
} from './interface.ts';
import type { Observer } from './observer.ts';

/** One attempt of an activity, as its observer and the log name it. */
interface Call {
  readonly activity: keyof Activities;
  readonly dataset: string;
}

/** Runs an attempt; a failure of ours is told and thrown on, and what fails otherwise is a defect, logged elsewhere. */
export async function observed<T>(
  observer: Observer | undefined,
  call: Call,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // What a cancellation breaks off fails in many ways.
    const { aborted } = Context.current().cancellationSignal;
    const failure = error instanceof TidemarkFailure ? error : undefined;
    const kind = aborted ? 'Cancelled' : (failure?.kind ?? 'InternalError');
    tellFailure(observer, call, { kind, details: failure?.details ?? {} });
    throw error;
  }
}

/** Tells what became of one file. */
export function tellLoaded(
  observer: Observer | undefined,
  dataset: string,
  key: string,
  result: LoadFileResult,
): void {
  const { outcome } = result;
  // Nothing became of it yet: it is loaded again at once, in a slot for large files.
  if (outcome !== 'slow') observer?.loaded({ dataset, result });
  if (outcome === 'applied') {
    const { exportType, counts, watermark, seconds } = result;
    log('applied', { dataset, key, exportType, watermark, seconds, rows: counts });
    if (result.looksLikeBaseline) Context.current().log.warn('looks like a baseline', { dataset, key });
  } else {
    log('not loaded', { dataset, key, outcome });
  }
}

/** Tells what became of a batch: of each file, then why it ended before its last. */
export function tellBatch(
  observer: Observer | undefined,
  { dataset, files }: LoadSmallFilesInput,
  { results, failure }: LoadSmallFilesResult,
): void {
  results.forEach((result, i) => tellLoaded(observer, dataset, files[i]?.key ?? '', result));
  if (!failure) return;
  tellFailure(observer, { activity: 'loadSmallFiles', dataset }, failure);
  const { kind, details } = failure;
  Context.current().log.warn('refused', { dataset, ...details, kind });
}

/** Tells which files were moved. */
export function tellMoved(
  observer: Observer | undefined,
  { dataset, files }: MoveFilesInput,
  result: MoveFilesResult,
): void {
  observer?.moved({ dataset, files, result });
  for (const { key, outcome } of result.notMoved)
    Context.current().log.warn('not moved', { dataset, key, outcome });
}

function tellFailure(
  observer: Observer | undefined,
  call: Call,
  { kind, details }: { readonly kind: FailureKind; readonly details: FailureDetails },
): void {
  observer?.failed({ ...call, kind, rejected: details.rejected ?? 0 });
}

function log(message: string, facts: Readonly<Record<string, unknown>>): void {
  Context.current().log.info(message, facts);
}
