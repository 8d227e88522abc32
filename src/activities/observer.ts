/** Who is told what activities did: metrics and the log. It may not fail, and no row value reaches it. */

import type { FailureKind } from '../domain/failures.ts';
import type { Activities, LoadFileResult, MoveFilesInput, MoveFilesResult } from './interface.ts';

/** All calls return at once. */
export interface Observer {
  /** A file's load came to an end that is no failure. */
  loaded(input: {
    readonly dataset: string;
    readonly result: Exclude<LoadFileResult, { readonly outcome: 'slow' }>;
  }): void;
  /** Files were moved. */
  moved(input: {
    readonly dataset: string;
    readonly files: MoveFilesInput['files'];
    readonly result: MoveFilesResult;
  }): void;
  /** An attempt failed. */
  failed(input: {
    readonly dataset: string;
    readonly activity: keyof Activities;
    readonly kind: FailureKind;
    /** Rows that were rejected, where that is why. */
    readonly rejected: number;
  }): void;
}
