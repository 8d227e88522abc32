/** The bytes that a deed of the ledger dealt with, wherever they lie now. */

import { createHash } from 'node:crypto';
import type { Dataset } from '../datasets/dataset.ts';
import { archiveKey, skippedKey, type ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { HistoricDeed } from '../postgres/history.ts';
import { besideKey } from '../s3/move.ts';
import type { ObjectBody, ObjectStore } from '../s3/objectStore.ts';

/** What became of looking for them. */
export type Content =
  | FoundContent
  /** Under every name that they may have, there are other bytes or none. */
  | { readonly state: 'altered'; readonly at: ObjectKey }
  | { readonly state: 'gone' };

/** Bytes that were read once, and proved to be the right ones. */
export interface FoundContent {
  readonly state: 'found';
  readonly at: ObjectKey;
  readonly etag: string;
  /** The bytes, of an object of up to `HELD_BYTES`; else to be read again. */
  readonly held: readonly Buffer[] | undefined;
  /** Whether the words that were looked for stand in them. */
  readonly mentions: boolean;
}

/** The part of a deed by which its bytes are known. */
type Known = Pick<HistoricDeed, 'key' | 'exportType' | 'etag' | 'sha256' | 'archived'>;

/** Objects of up to so many bytes are held in memory: most, so that few are read twice. */
const HELD_BYTES = 256 * 1024;

/** How they are looked for. */
interface Looking {
  /** Looked for in the bytes. */
  readonly words?: Buffer | undefined;
  /** Ends the look, and the reads. */
  readonly signal?: AbortSignal;
}

/**
 * Finds the bytes of a deed: by their SHA-256 where the ledger has one, else by their ETag. An object that a run moves
 * meanwhile is found in either place.
 */
export async function contentOf(
  store: ObjectStore,
  dataset: Dataset,
  deed: Known,
  looking: Looking = {},
): Promise<Content> {
  const { words, signal } = looking;
  let altered: ObjectKey | undefined;
  const places = placesOf(dataset, deed);
  const attempt = async (at: ObjectKey, etag: string): Promise<FoundContent | undefined> => {
    const body = await openUnder(store, at, etag, signal);
    if (!body) return undefined;
    const { sha256, ...content } = await take(body, words);
    if (deed.sha256 === null || sha256 === deed.sha256) return { state: 'found', at, etag, ...content };
    altered ??= at;
    return undefined;
  };
  for (const at of deed.etag === null ? [] : places) {
    const found = await attempt(at, deed.etag ?? '');
    if (found) return found;
  }
  // A copy may have another ETag than its source: under KMS, or made in parts.
  for (const at of places) {
    const seen = await store.head({ key: at, ...(signal && { signal }) });
    if (!seen || seen.etag === deed.etag) continue;
    const found = deed.sha256 === null ? undefined : await attempt(at, seen.etag);
    if (found) return found;
    altered ??= at;
  }
  return altered === undefined ? { state: 'gone' } : { state: 'altered', at: altered };
}

/** Whether an object lies under one of the names that the bytes of a deed may have; which bytes is not looked at. */
export async function isSomewhere(
  store: ObjectStore,
  dataset: Dataset,
  deed: Known,
  signal: AbortSignal,
): Promise<boolean> {
  for (const key of placesOf(dataset, deed)) if (await store.head({ key, signal })) return true;
  return false;
}

/** The bytes once more; they are found again where a run has moved them meanwhile. */
export async function bytesOf(
  store: ObjectStore,
  dataset: Dataset,
  deed: Known,
  content: FoundContent,
  signal?: AbortSignal,
): Promise<AsyncIterable<Buffer>> {
  if (content.held) return streamOf(content.held);
  const until = signal && { signal };
  const body = await openUnder(store, content.at, content.etag, signal);
  if (body) return body.chunks;
  const again = await contentOf(store, dataset, deed, until);
  if (again.state === 'found')
    return (await store.read({ key: again.at, etag: again.etag, ...until })).chunks;
  throw new TidemarkFailure(
    'ObjectReplaced',
    'the object was replaced or removed while it was read',
    { dataset: dataset.name, key: deed.key },
    'Try again',
  );
}

async function* streamOf(chunks: readonly Buffer[]): AsyncGenerator<Buffer, void> {
  yield* chunks;
}

/** The names that the bytes may have, the likeliest first. */
function placesOf(dataset: Dataset, { key, exportType, etag, archived }: Known): readonly ObjectKey[] {
  const to = exportType === 'skipped' ? skippedKey(dataset, key) : archiveKey(dataset, key);
  const moved = etag === null ? [to] : [to, besideKey(to, etag)];
  // A move copies before it deletes: who looks at the source first sees one of the two.
  return archived ? [...moved, key] : [key, ...moved];
}

/** Opens an object under an ETag; `undefined` where it has another or is gone. */
async function openUnder(
  store: ObjectStore,
  key: ObjectKey,
  etag: string,
  signal: AbortSignal | undefined,
): Promise<ObjectBody | undefined> {
  try {
    return await store.read({ key, etag, ...(signal && { signal }) });
  } catch (error) {
    const gone =
      error instanceof TidemarkFailure && (error.kind === 'ObjectReplaced' || error.kind === 'FileVanished');
    if (gone) return undefined;
    throw error;
  }
}

/** Reads a body to its end. */
async function take(
  { size, chunks }: ObjectBody,
  words: Buffer | undefined,
): Promise<Pick<FoundContent, 'held' | 'mentions'> & { readonly sha256: string }> {
  const hash = createHash('sha256');
  const held: Buffer[] = [];
  const overlap = words ? words.length - 1 : 0;
  let mentions = false;
  let end: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    hash.update(chunk);
    if (size <= HELD_BYTES) held.push(chunk);
    if (!words || mentions) continue;
    // The words may begin in one chunk and end in the next.
    mentions = chunk.includes(words) || Buffer.concat([end, chunk.subarray(0, overlap)]).includes(words);
    end = last(Buffer.concat([end, last(chunk, overlap)]), overlap);
  }
  return { sha256: hash.digest('hex'), held: size <= HELD_BYTES ? held : undefined, mentions };
}

function last(bytes: Buffer, length: number): Buffer {
  return Buffer.from(bytes.subarray(Math.max(0, bytes.length - length)));
}
