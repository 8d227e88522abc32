/**
 * The names of change files and what they say.
 *
 * A change file is one CSV object `<prefix>YYYY-MM-DDTHH-mm-ss.csv`, or `.csv.gz` or `.csv.zst`, known by its key; the
 * stamp in its name is when its export started, in the dataset's zone (docs/semantics.md). Two with one stamp are two
 * change files, in the order of their keys: `.csv`, `.csv.gz`, `.csv.zst`.
 */

/** A full S3 object key. */
export type ObjectKey = string;

/** The last part of a key. */
export function nameOf(key: ObjectKey): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** What the name of a change file says. */
export interface ChangeFileName {
  readonly key: ObjectKey;
  /** When the export started, in milliseconds since the epoch (UTC). */
  readonly stamp: number;
}

const NAME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})-(\d{2})-(\d{2})\.csv(?:\.gz|\.zst)?$/;

/** How a change file's bytes are packed. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** What the ending of a key says of its bytes. */
export function compressionOf(key: ObjectKey): Compression {
  if (key.endsWith('.gz')) return 'gzip';
  return key.endsWith('.zst') ? 'zstd' : 'none';
}

/**
 * Africa/Nairobi is UTC+03:00 without daylight saving since 1942 (IANA tz database), so that byte order of keys
 * is time order and a stamp needs no zone table.
 */
const NAIROBI_OFFSET_MS = 3 * 60 * 60 * 1000;

/**
 * Reads a key as a change file's name.
 *
 * @returns the name, or `undefined` where the key is not directly under the prefix, is no such name, or its
 * stamp is no real calendar time (2026-02-30): such an object is *ignored*.
 */
export function parseChangeFileName(prefix: string, key: ObjectKey): ChangeFileName | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const match = NAME.exec(key.slice(prefix.length));
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(local);
  const real =
    back.getUTCFullYear() === year &&
    back.getUTCMonth() === month - 1 &&
    back.getUTCDate() === day &&
    back.getUTCHours() === hour &&
    back.getUTCMinutes() === minute &&
    back.getUTCSeconds() === second;
  return real ? { key, stamp: local - NAIROBI_OFFSET_MS } : undefined;
}

/**
 * Compares two keys by the byte order of their UTF-8 form: the order of S3 listings and of `collate "C"`.
 * JavaScript's own `<` compares UTF-16 units, which differs beyond U+FFFF.
 */
export function compareKeys(a: ObjectKey, b: ObjectKey): number {
  if (a === b) return 0;
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Where an applied file is archived: same name under `processed/` beside the change prefix. */
export function archiveKey(dataset: PrefixedDataset, key: ObjectKey): ObjectKey {
  return dataset.processedPrefix + key.slice(dataset.changesPrefix.length);
}

/** Where a skipped file is moved. */
export function skippedKey(dataset: PrefixedDataset, key: ObjectKey): ObjectKey {
  return dataset.skippedPrefix + key.slice(dataset.changesPrefix.length);
}

/** The three prefixes of a dataset, each ending with `/`. */
export interface PrefixedDataset {
  readonly changesPrefix: string;
  readonly processedPrefix: string;
  readonly skippedPrefix: string;
}

/**
 * Where a listing of change files goes on after a page that ends at `next`: names begin with a digit, so that what lies
 * before or behind all digits is passed over, however much it is.
 *
 * @returns undefined where no change file can come any more
 */
export function goOnAfter(prefix: string, next: ObjectKey | undefined): ObjectKey | undefined {
  // By bytes `/` comes right before `0`, and `:` right after `9`.
  if (next === undefined || compareKeys(next, `${prefix}:`) >= 0) return undefined;
  const first = `${prefix}/\u{10FFFF}`;
  return compareKeys(next, first) < 0 ? first : next;
}
