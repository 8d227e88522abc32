/** The port to S3: what Tidemark asks of an object store. The only implementation is `createObjectStore`. */

import type { ObjectKey } from '../domain/changeFile.ts';
import type { TidemarkFailure } from '../domain/failures.ts';

/** One object of a listing. */
export interface ListedObject {
  readonly key: ObjectKey;
  /** Bytes. */
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch, by S3's clock. */
  readonly lastModified: number;
}

/** One page of a listing, in byte order of the keys. */
export interface ObjectPage {
  readonly objects: readonly ListedObject[];
  /** Pass as `after` for the next page; absent on the last one. */
  readonly next?: ObjectKey;
  /** S3's own clock when it answered (response `Date`), milliseconds since the epoch. */
  readonly serverTime: number;
}

/** An object being read. */
export interface ObjectBody {
  readonly size: number;
  readonly etag: string;
  /**
   * The bytes, once. Ends only when exactly `size` bytes came; fails with `S3Unavailable` where fewer or more did,
   * and with `Stalled` where none came for the store's stall time, whatever the socket says; the time that the loop's
   * body takes does not count. Leaving the loop early or aborting the signal destroys the connection; until one of
   * these or the end, an open body holds one.
   */
  readonly chunks: AsyncIterable<Buffer>;
}

/** What became of a move. */
export type MoveOutcome =
  /** `to` has the bytes and `from` is gone; `key` is where they lie (beside `to` where other bytes lay there). */
  | { readonly outcome: 'moved'; readonly key: ObjectKey }
  /** `from` was gone already and the archive has the bytes: an earlier attempt's work. */
  | { readonly outcome: 'already'; readonly key: ObjectKey }
  /** `from` now has other content: it was left alone, and nothing was deleted. */
  | { readonly outcome: 'changed' }
  /** `from` is gone and the archive has no such bytes. */
  | { readonly outcome: 'missing' };

/** One object to be moved. */
export interface Move {
  readonly from: ObjectKey;
  readonly to: ObjectKey;
  readonly etag: string;
}

/** What became of one of several moves. */
export type MoveAttempt =
  | MoveOutcome
  /** It could not be moved; it lies where it lay, perhaps copied too. */
  | { readonly outcome: 'failed'; readonly failure: TidemarkFailure };

/** Failures of every method are `TidemarkFailure`s: `S3Unavailable` and `Stalled` retry, `S3Refused` is final. */
export interface ObjectStore {
  /**
   * Lists at most `limit` (up to 1,000) objects under `prefix` whose keys come after `after`. With `folded`, what lies
   * in a folder below the prefix is one entry, `<prefix><folder>/` of size 0, however much it is.
   */
  listPage(input: {
    readonly prefix: string;
    readonly folded?: true;
    readonly after?: ObjectKey;
    readonly limit: number;
    readonly signal?: AbortSignal;
  }): Promise<ObjectPage>;
  /** What lies under a key now, `undefined` where nothing does. */
  head(input: { readonly key: ObjectKey; readonly signal?: AbortSignal }): Promise<ListedObject | undefined>;
  /**
   * Opens an object, provided that it still has this ETag (`If-Match`).
   * Fails with `ObjectReplaced` where it has another, with `FileVanished` where it is gone.
   */
  read(input: {
    readonly key: ObjectKey;
    readonly etag: string;
    readonly signal?: AbortSignal;
  }): Promise<ObjectBody>;
  /**
   * Moves an object so that nothing can be destroyed: copy under the ETag, verify, delete under the same ETag.
   * Repeatable after a crash at any point. Where `to` has other bytes, the copy goes beside it, with the ETag in its
   * name; where these are others again, it fails with `ArchiveRefused`. Objects above 5 GiB are copied in parts. The
   * copy keeps metadata and tags and records the source's ETag as `tidemark-etag`, by which a repeat knows it.
   */
  move(input: {
    readonly from: ObjectKey;
    readonly to: ObjectKey;
    readonly etag: string;
    readonly signal?: AbortSignal;
  }): Promise<MoveOutcome>;
  /**
   * Moves several objects whose targets lie in one folder, each as safely as `move` does and in fewer requests.
   * What became of each stands in the order of `moves`; `moved` may also be said of one that was moved before.
   */
  moveAll(input: {
    readonly moves: readonly Move[];
    readonly signal?: AbortSignal;
  }): Promise<readonly MoveAttempt[]>;
  /** Finds out, without touching anything of the user's, whether the prefix can be listed. */
  check(input: { readonly prefix: string; readonly signal?: AbortSignal }): Promise<void>;
  /** Closes all connections. */
  destroy(): void;
}
