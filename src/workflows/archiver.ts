import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { ListedFile, MoveFileInput, MoveFileResult } from '../activities/interface.ts';
import { local, patient } from './activityCalls.ts';
import { SMALL_FILE_BYTES } from './load.ts';
import type { Run } from './run.ts';

/**
 * Moves files out of the way, one behind the loads: a move runs while the next file loads. A move that fails is
 * reported and does not stop loads; the next run takes it up.
 */
export class Archiver {
  readonly #run: Run;
  #moving: Promise<void> = Promise.resolve();

  constructor(run: Run) {
    this.#run = run;
  }

  /** Moves an applied file to `processed/`, once the move before it is through. */
  async archive(file: ListedFile): Promise<void> {
    await this.#begin('archiveFile', file);
  }

  /** Moves a skipped file to `skipped/`, once the move before it is through. */
  async setAside(file: ListedFile): Promise<void> {
    await this.#begin('setAsideFile', file);
  }

  /** Waits for the last move. Never fails: what could not be moved is in the run's report. */
  async settled(): Promise<void> {
    await CancellationScope.nonCancellable(() => this.#moving);
  }

  async #begin(deed: 'archiveFile' | 'setAsideFile', file: ListedFile): Promise<void> {
    await this.#moving;
    this.#moving = this.#move(deed, file);
  }

  async #move(deed: 'archiveFile' | 'setAsideFile', file: ListedFile): Promise<void> {
    const input: MoveFileInput = { dataset: this.#run.dataset, key: file.key, etag: file.etag };
    try {
      this.#run.moved(file, await move(deed, file, input));
    } catch (error) {
      // A cancelled run leaves the file for the next one.
      if (!isCancellation(error)) this.#run.notMoved(file);
    }
  }
}

async function move(
  deed: 'archiveFile' | 'setAsideFile',
  file: ListedFile,
  input: MoveFileInput,
): Promise<MoveFileResult> {
  const options = { summary: file.key.slice(file.key.lastIndexOf('/') + 1) };
  if (file.size <= SMALL_FILE_BYTES) {
    try {
      return await local[deed].executeWithOptions(options, [input]);
    } catch (error) {
      if (isCancellation(error)) throw error;
    }
  }
  return patient[deed].executeWithOptions(options, [input]);
}
