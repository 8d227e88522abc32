/** What workflows ask of activities: plain data, without row values, small enough for a history. */

import type { ListingSummary } from '../domain/listing.ts';
import type { RowCounts } from '../domain/counts.ts';
import type { FailureDetails, FailureKind } from '../domain/failures.ts';
import type { FileState, KnownFailure } from '../domain/states.ts';

/** The activities. Their failures are `ApplicationFailure`s whose type is a `FailureKind`. */
export interface Activities {
  listFiles(input: ListFilesInput): Promise<ListFilesResult>;
  loadFile(input: LoadFileInput): Promise<LoadFileResult>;
  loadSmallFiles(input: LoadSmallFilesInput): Promise<LoadSmallFilesResult>;
  moveFiles(input: MoveFilesInput): Promise<MoveFilesResult>;
}

export interface ListFilesInput {
  readonly dataset: string;
  /** List only keys after this one. */
  readonly after?: string;
  /** Most objects to list, up to 1,000. */
  readonly limit: number;
  /** What earlier pages of this run held. */
  readonly seen: ListingSummary;
  /** Compare all files that may have changed; else small ones, for a few seconds. */
  readonly comparesAll?: true;
}

/** A file that asks for a deed, or stops the dataset. All others are only counted. */
export interface ListedFile {
  readonly key: string;
  readonly state: Exclude<FileState, 'changed' | 'covered' | 'future' | 'ignored'>;
  readonly size: number;
  readonly etag: string;
  readonly failure?: KnownFailure;
}

export interface ListFilesResult {
  /** In order. */
  readonly files: readonly ListedFile[];
  /** Pass as `after` for the next page; absent on the last one. */
  readonly next?: string;
  readonly watermark?: string;
  /** Whether the dataset moves applied files to `processed/`. */
  readonly archives: boolean;
  /** What the pages up to and with this one held. */
  readonly seen: ListingSummary;
  /** Whether the server has Tidemark's search attributes; histories from before they were asked for say nothing. */
  readonly searchAttributes?: boolean;
  /** Files that may have changed were left uncompared: too large, or too many. */
  readonly uncompared?: true;
}

/** How rows meet the table: `inOrder` above the watermark; `late` by the version column, the watermark unmoved. */
export type LoadMode = 'inOrder' | 'late';

export interface LoadFileInput {
  readonly dataset: string;
  readonly key: string;
  readonly etag: string;
  readonly mode: LoadMode;
  /** What the run knows to be applied: a ledger whose watermark is below it went back in time. Histories of before lack it. */
  readonly watermark?: string;
  /** Give up after so long, milliseconds, with the outcome `slow`; without it, take the time that it takes. */
  readonly withinMs?: number;
}

/** What the heartbeats of `loadFile` say: how far the object is read. */
export interface LoadProgress {
  readonly key: string;
  /** Bytes of the object, and those read so far; where they are equal, its rows are being merged. */
  readonly size: number;
  readonly bytes: number;
  /** Rows read so far. */
  readonly rows: number;
}

export type LoadFileResult =
  | {
      readonly outcome: 'applied';
      readonly exportType: 'baseline' | 'delta' | 'late' | 'reload';
      readonly counts: RowCounts;
      readonly watermark: string;
      readonly seconds: number;
      /** A delta with nearly as many tickets as the table: the source may have been seeded again. */
      readonly looksLikeBaseline?: true;
    }
  /** The ledger had it, from another run: what this run wrote itself is `applied`, whichever attempt wrote it. */
  | { readonly outcome: 'already'; readonly watermark?: string }
  /** Another run moved the watermark past it, or a person skipped it; the next listing decides. */
  | { readonly outcome: 'late' }
  /** Not within the time that was given: nothing is known of it, and it is to be loaded again. */
  | { readonly outcome: 'slow' }
  /** The object is not the listed one any more: list again. */
  | { readonly outcome: 'replaced' };

/** Small files, loaded one after the other, each in a transaction of its own. */
export interface LoadSmallFilesInput {
  readonly dataset: string;
  /** In order. */
  readonly files: readonly { readonly key: string; readonly etag: string; readonly mode: LoadMode }[];
  /** As of `LoadFileInput`; what the batch itself applies is added. */
  readonly watermark?: string;
  /** End after so long, milliseconds, with the files that are loaded by then. */
  readonly withinMs?: number;
}

export interface LoadSmallFilesResult {
  /** Of the first files, in order; what is missing was not loaded, and nothing of it was applied. */
  readonly results: readonly LoadFileResult[];
  /** Why the file after those was refused for good; absent where time ran out or a retry may help. */
  readonly failure?: {
    readonly kind: FailureKind;
    readonly message: string;
    readonly details: FailureDetails;
  };
  /** Time ran out: the files left may be tried the same way again. */
  readonly unfinished?: true;
}

/** Applied files on their way to `processed/`, skipped ones on theirs to `skipped/`. */
export interface MoveFilesInput {
  readonly dataset: string;
  readonly files: readonly {
    readonly key: string;
    readonly etag: string;
    readonly to: 'processed' | 'skipped';
  }[];
  /** End after so long, milliseconds; what is not moved by then is `later`. */
  readonly withinMs?: number;
}

export interface MoveFilesResult {
  /** How many lie where they should. */
  readonly moved: number;
  /** Those that do not: the source was replaced, or is gone without a copy. */
  readonly notMoved: readonly { readonly key: string; readonly outcome: 'changed' | 'missing' }[];
  /** Keys of those for which the time did not suffice, if any: they are where they were, or in part on their way. */
  readonly later?: readonly string[];
}
