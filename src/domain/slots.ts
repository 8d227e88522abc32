/** What a worker does side by side, and the connections that it takes: all from one number. */

import { compressionOf } from './changeFile.ts';

/** Files side by side; default of `TIDEMARK_LOADS`. */
export const DEFAULT_LOADS = 8;
/** With one, a large file's connection would leave none for the small queries of the others. */
export const MIN_LOADS = 2;
export const MAX_LOADS = 64;

/** A worker's bounds. */
export interface Slots {
  /** Ordinary activities at once; as many local ones beside them. */
  readonly ordinary: number;
  /** Large files at once, beside those: they never take an ordinary slot. */
  readonly large: number;
  /** Connections to PostgreSQL at most, but for the short looks at long statements, one a large file. */
  readonly connections: number;
}

/**
 * The bounds for a number of loads. Each activity holds at most one connection and asks at most one small question
 * beside it, so that `connections` leaves some for questions when every slot holds one.
 */
export function slotsOf(loads: number): Slots {
  // Reading keeps the process's one thread busy: two of them already wait for one another.
  return { ordinary: loads, large: Math.ceil(loads / 4), connections: loads * 3 };
}

/** In an ordinary slot nothing further is begun after so long, milliseconds: no file of a batch, no page, no comparison. */
export const BEGIN_MS = 3_000;

/**
 * After so long, milliseconds, what loads or moves in an ordinary slot gives it back, whatever it waits for: a file that comes
 * slowly, another attempt's rows, S3. What is then not done goes on in a slot for large files.
 */
export const SLOT_MS = 5_000;

/**
 * After so long, milliseconds, what moves files that are not large gives a slot for large ones back: the store may be in no
 * state to archive, and a copy waits for it for a quarter of an hour, while baselines could be read.
 */
export const LATE_MOVE_MS = 60_000;

/** From so many bytes of text on a file is loaded, and from that listed size on archived, on the queue for large ones: its time is seconds, not a fraction of one. */
export const LARGE_FILE_BYTES = 16 * 1024 * 1024;

/** A packed file counts as so many times its size: CSV of tickets is packed to an eighth. */
const PACKED = 8;

/** About how many bytes of text a listed file has: its size, but of a packed one. */
export function textBytes({ key, size }: { readonly key: string; readonly size: number }): number {
  return compressionOf(key) === 'none' ? size : size * PACKED;
}

/** The task queue for large files beside a worker's own. */
export function largeQueueOf(taskQueue: string): string {
  return `${taskQueue}-large`;
}
