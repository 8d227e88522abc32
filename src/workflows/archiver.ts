import { ActivityFailure, ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import type { ListedFile, MoveFilesInput, MoveFilesResult } from '../activities/interface.ts';
import { archiving, local } from './activityCalls.ts';
import { LOCAL_BATCH, MAX_BATCH, SMALL_FILE_BYTES, summaryOf } from './load.ts';
import type { Run } from './run.ts';
import { firstStep, nextStep, type Step } from './moveSteps.ts';

/**
 * Moves files out of the way, one behind the loads: a move runs while the next files load. What can't be moved is
 * reported and does not stop loads; the next run takes it up.
 */
export class Archiver {
  readonly #run: Run;
  #moving: Promise<void> = Promise.resolve();
  /** A batch could not be moved: the store is in no state to archive, and further tries would only hold up loads. */
  #gaveUp = false;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Begins to move applied files to `processed/`, skipped ones to `skipped/`, once the move before is through. */
  async move(files: readonly ListedFile[]): Promise<void> {
    for (let i = 0; i < files.length; i += MAX_BATCH) {
      await this.#moving;
      this.#moving = this.#move(files.slice(i, i + MAX_BATCH));
    }
  }

  /** Waits for the last move. Never fails: what could not be moved is in the run's report. */
  async settled(): Promise<void> {
    await CancellationScope.nonCancellable(() => this.#moving);
  }

  async #move(files: readonly ListedFile[]): Promise<void> {
    if (this.#gaveUp) {
      this.#run.notMoved(files.map((file) => file.key));
      return;
    }
    const { dataset } = this.#run;
    let left = files;
    let step: Step | undefined = firstStep(files);
    try {
      while (left.length > 0 && step) {
        const result = await moveFiles({ dataset, files: left, step });
        this.#run.moved(result);
        const later = new Set(result.later);
        step = nextStep(step, { moved: later.size < left.length ? 'some' : 'none' });
        left = left.filter(({ key }) => later.has(key));
      }
      if (left.length === 0) return;
      this.#gaveUp = true;
      this.#run.notMoved(left.map((file) => file.key));
    } catch (error) {
      // A cancelled run leaves the files for the next one.
      if (isCancellation(error)) return;
      // One file that is refused is no fault of the store's.
      this.#gaveUp = !isFinal(error);
      this.#run.notMoved(left.map((file) => file.key));
    }
  }
}

function isFinal(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure && cause.nonRetryable === true;
}

/** One step of moving files. */
interface Moving {
  readonly dataset: string;
  readonly files: readonly ListedFile[];
  readonly step: Step;
}

/** Moves what it can. */
async function moveFiles({ dataset, files, step }: Moving): Promise<MoveFilesResult> {
  const input: MoveFilesInput = {
    dataset,
    files: files.map(({ key, etag, state }) => ({
      key,
      etag,
      to: state === 'skipped' ? 'skipped' : 'processed',
    })),
    ...(step.withinMs !== undefined && { withinMs: step.withinMs }),
  };
  const options = { summary: summaryOf(files) };
  const small = files.every((file) => file.size <= SMALL_FILE_BYTES);
  if (small && files.length <= LOCAL_BATCH && step.slot === 'ordinary') {
    try {
      return await local.moveFiles.executeWithOptions(options, [input]);
    } catch (error) {
      if (isCancellation(error)) throw error;
    }
  }
  return archiving(small ? 'small' : 'any', step.slot).moveFiles.executeWithOptions(options, [input]);
}
