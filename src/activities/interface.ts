/** What workflows ask of activities: plain data, without row values, small enough for a history. */

import type { ListingSummary } from '../domain/listing.ts';
import type { RowCounts } from '../domain/counts.ts';
import type { FileState, KnownFailure } from '../domain/states.ts';

/** The activities. Their failures are `ApplicationFailure`s whose type is a `FailureKind`. */
export interface Activities {
  listFiles(input: ListFilesInput): Promise<ListFilesResult>;
  loadFile(input: LoadFileInput): Promise<LoadFileResult>;
  archiveFile(input: MoveFileInput): Promise<MoveFileResult>;
  setAsideFile(input: MoveFileInput): Promise<MoveFileResult>;
}

export interface ListFilesInput {
  readonly dataset: string;
  /** List only keys after this one. */
  readonly after?: string;
  /** Most objects to list, up to 1,000. */
  readonly limit: number;
  /** What earlier pages of this run held. */
  readonly seen: ListingSummary;
}

/** A file that asks for a deed, or stops the dataset. All others are only counted. */
export interface ListedFile {
  readonly key: string;
  readonly state: FileState;
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
}

export interface LoadFileInput {
  readonly dataset: string;
  readonly key: string;
  readonly etag: string;
  /** `inOrder` above the watermark; `late` by the version column, the watermark unmoved. */
  readonly mode: 'inOrder' | 'late';
  /** `none` gives up at once where another load holds the dataset. */
  readonly patience: 'none' | 'bounded';
}

export type LoadFileResult =
  | {
      readonly outcome: 'applied';
      readonly exportType: 'baseline' | 'delta' | 'late' | 'reload';
      readonly counts: RowCounts;
      readonly watermark: string;
      readonly seconds: number;
    }
  /** The ledger had it: an earlier attempt or another run applied it. */
  | { readonly outcome: 'already' }
  /** Another run moved the watermark past it; the next listing decides. */
  | { readonly outcome: 'late' }
  /** The object is not the listed one any more: list again. */
  | { readonly outcome: 'replaced' };

export interface MoveFileInput {
  readonly dataset: string;
  readonly key: string;
  readonly etag: string;
}

/** What became of a move to `processed/` or `skipped/`. */
export interface MoveFileResult {
  readonly outcome: 'moved' | 'already' | 'changed' | 'missing';
  /** Where the bytes lie now. */
  readonly key?: string;
}
