/** What the workflow `rebuildDataset` asks of activities: plain data, without row values. */

import type { Difference } from '../domain/difference.ts';

/** The activities of the rebuilder. Their failures are `ApplicationFailure`s whose type is a `FailureKind`. */
export interface RebuildActivities {
  /** Decides what is to be built, looks whether all files are there, and creates the table. Repeatable. */
  beginRebuild(input: BeginRebuildInput): Promise<BegunRebuild>;
  /** Merges the next files of the ledger into the table. Repeatable: it goes on behind the last that is merged. */
  buildFiles(input: RebuildInput): Promise<BuiltFiles>;
  /** Compares the table with the live one. */
  compareRebuild(input: RebuildInput): Promise<ComparedRebuild>;
  /** Writes the difference into the live table, behind the dataset's lock. Repeatable. */
  applyRebuild(input: ApplyRebuildInput): Promise<AppliedRebuild>;
  /** Gives the table its lasting name. Repeatable. */
  keepRebuild(input: RebuildInput): Promise<KeptRebuild>;
  /** Drops the table of a rebuild that comes to no end. Repeatable. */
  dropRebuild(input: RebuildInput): Promise<void>;
}

/** A row of `tickets.rebuilds`, which says the rest: who and why stay in PostgreSQL. */
export interface RebuildInput {
  readonly dataset: string;
  readonly rebuild: number;
}

export interface BeginRebuildInput extends RebuildInput {
  /** Whether one that removes tickets may begin with a file that lacks some; absent: it is refused. */
  readonly removesIncomplete?: boolean;
}

export interface ApplyRebuildInput extends RebuildInput {
  /** `few`: it fails where more than a fifth of the live tickets would be removed; absent: however many. */
  readonly removing?: 'few';
}

export interface BegunRebuild {
  /** The file that it begins with. */
  readonly from: string;
  /** Files to merge, as far as they are known. */
  readonly files: number;
  /** The file after which the table is wanted, under another name. */
  readonly asOf?: string;
}

export interface BuiltFiles {
  /** Files merged in all. */
  readonly done: number;
  /** Files that the ledger has and the build has not. */
  readonly left: number;
  readonly rows: number;
}

export type ComparedRebuild =
  | { readonly outcome: 'compared'; readonly difference: Difference }
  /** Files were loaded meanwhile: build them first. */
  | { readonly outcome: 'behind' };

export type AppliedRebuild =
  | {
      readonly outcome: 'applied';
      readonly difference: Difference;
      readonly inserted: number;
      readonly updated: number;
      readonly removed: number;
    }
  | { readonly outcome: 'behind' };

export interface KeptRebuild {
  /** `schema.table` */
  readonly table: string;
  readonly rows: number;
  /** Set where the live table has row level security: who may read that may not read this. */
  readonly grants?: 'withheld';
}
