/** The row path's words: from the bytes of a change file to rows fit for staging. */

import type { TidemarkFailure } from '../domain/failures.ts';

/** A row that was refused. `row` holds the user's values: it may go into PostgreSQL and nowhere else. */
export interface Reject {
  /** The line on which the record begins, the header being line 1. */
  readonly line: number;
  /** The column, where one is at fault. */
  readonly column?: string;
  /** A fixed phrase of ours, without values. */
  readonly reason: string;
  /** The record as it stands in the file, cut at 64 KiB. */
  readonly row: string;
}

/** What a reading of a whole file found. Every count is taken by itself, so that their identity can be checked. */
export interface ReadingCounts {
  /** Records read, blank lines and the header not counted. */
  readonly read: number;
  readonly alarm: number;
  readonly sentinel: number;
  readonly rejected: number;
  /** Rows fit for the sink; after too many rejects they are still counted, and no longer handed to it. */
  readonly sent: number;
}

/** The result of reading a file. */
export interface Reading extends ReadingCounts {
  /** Whether two of the rows sent may have the same primary key. False is certain. */
  readonly mayRepeat: boolean;
  /** The first 100 rejected rows. */
  readonly rejects: readonly Reject[];
  /** Header names that the dataset does not know; users' text: for PostgreSQL only. At most 100, each cut at 100 characters. */
  readonly unknownColumns: readonly string[];
  /** How many values of a canonical column were none of its values, by column. */
  readonly unknownValues: Readonly<Record<string, number>>;
  /** How many invalid values became NULL by `onInvalid: 'null'`, by column. */
  readonly nulled: Readonly<Record<string, number>>;
  /** How many of the object's bytes were read: all, unless `malformed` is there. */
  readonly bytes: number;
  /** Of those bytes, lower-case hexadecimal. */
  readonly sha256: string;
  /**
   * Where the file turned out to be malformed *after* more rows were rejected than the dataset allows: the reading
   * ended there, and the rejects are what failed the file. A file malformed before that is thrown instead, and so is
   * one that cannot be unpacked.
   */
  readonly malformed?: TidemarkFailure;
}

/** Where rows for staging go: tuples of COPY's binary format, without its signature and trailer. */
export interface RowSink {
  /**
   * Takes one block of whole rows; resolves when its bytes are no longer needed. The next one may come before.
   */
  write(block: Buffer): Promise<void>;
}
