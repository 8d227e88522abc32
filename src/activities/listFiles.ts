import { createHash } from 'node:crypto';
import type { Dataset } from '../datasets/dataset.ts';
import { definitionOf } from '../datasets/definition.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { goOnAfter } from '../domain/changeFile.ts';
import { summarise } from '../domain/listing.ts';
import { BEGIN_MS, LARGE_FILE_BYTES } from '../domain/slots.ts';
import { classify, type ClassifiedFile } from '../domain/states.ts';
import { recordFailure, SAME_BYTES } from '../postgres/failureLog.ts';
import { ensureDatasetState, noteListing, readPageFacts } from '../postgres/ledger.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import { checkArchive } from './checkArchive.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { ListedFile, ListFilesInput, ListFilesResult } from './interface.ts';

/**
 * Lists until a page asks for a deed, says the state of each object, and notes the listing in PostgreSQL. A page without
 * anything to do is followed by the next at once, for a while: a history of them would be long, and slow.
 */
export async function listFiles(
  deps: Deps,
  input: ListFilesInput,
  { signal }: Attempt,
): Promise<ListFilesResult> {
  const { store, pool } = deps;
  const dataset = findDataset(deps.datasets, input.dataset);
  const deadline = Date.now() + BEGIN_MS;
  let { after, seen } = input;
  for (;;) {
    const page = await listOnce(deps, dataset, { after, limit: input.limit }, signal);
    if (after === undefined) await checkArchive({ store, db: pool }, dataset, page.watermark, signal);
    const until = input.comparesAll ? undefined : deadline;
    const { files: states, uncompared } = await compareChanged(deps, dataset, page.states, until, signal);
    seen = summarise(seen, states, dataset.latePolicy);
    const files = states.flatMap((file) => toListedFile(dataset, file));
    after = page.next;
    if (files.length === 0 && !uncompared && after !== undefined && Date.now() < deadline) continue;
    await ensureDatasetState(pool, dataset.name);
    await noteListing(pool, {
      dataset: dataset.name,
      enabled: dataset.enabled,
      archives: dataset.archive,
      isFirstPage: input.after === undefined,
      listing: { ...seen, isWhole: after === undefined },
    });
    return {
      files,
      ...(after !== undefined && { next: after }),
      ...(page.watermark !== undefined && { watermark: page.watermark }),
      archives: dataset.archive,
      seen,
      ...(uncompared && { uncompared }),
    };
  }
}

/** One page as S3 lists it, and what the database says of it. */
async function listOnce(
  { store, pool }: Deps,
  dataset: Dataset,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
  signal: AbortSignal,
): Promise<{
  readonly states: readonly ClassifiedFile[];
  readonly watermark: string | undefined;
  readonly next: string | undefined;
}> {
  const prefix = dataset.changesPrefix;
  const page = await store.listPage({
    prefix,
    folded: true,
    ...(after !== undefined && { after }),
    limit,
    signal,
  });
  const next = goOnAfter(prefix, page.next);
  const facts = await readPageFacts(pool, {
    definition: definitionOf(dataset),
    dataset: dataset.name,
    keys: page.objects.map((object) => object.key),
    range: { after, upTo: next },
  });
  return { states: classify(dataset, page, facts), watermark: facts.watermark, next };
}

/** The file as a run sees it; none where it asks for no deed. */
function toListedFile(dataset: Dataset, file: ClassifiedFile): readonly ListedFile[] {
  const { key, state, size, etag, failure } = file;
  switch (state) {
    case 'applied':
      if (!dataset.archive) return [];
      break;
    case 'late':
      if (dataset.latePolicy === 'hold') return [];
      break;
    case 'skipped':
      if (dataset.shadowOf !== undefined) return [];
      break;
    case 'changed':
    case 'covered':
    case 'future':
    case 'ignored':
      return [];
    case 'pending':
    case 'settling':
    case 'failed':
    case 'vanished':
  }
  return [{ key, state, size, etag, ...(failure && { failure }) }];
}

/**
 * Tells files whose content differs from what was applied from those merely uploaded again (another ETag, the same
 * SHA-256), by reading each ETag once: what it was found to be is remembered.
 *
 * @param until when no further one is begun, milliseconds since the epoch, and large ones are not at all: what is left is said
 *   to be uncompared, for a slot for large files
 */
async function compareChanged(
  { store, pool }: Deps,
  dataset: Dataset,
  files: readonly ClassifiedFile[],
  until: number | undefined,
  signal: AbortSignal,
): Promise<{ readonly files: readonly ClassifiedFile[]; readonly uncompared: boolean }> {
  let uncompared = false;
  const result: ClassifiedFile[] = [];
  for (const file of files) {
    const waits = until !== undefined && (file.size >= LARGE_FILE_BYTES || Date.now() > until);
    if (file.appliedSha256 === undefined || waits) {
      uncompared ||= file.appliedSha256 !== undefined;
      result.push(file);
      continue;
    }
    const sha256 = await hashOf(store, file, signal);
    const same = sha256 === file.appliedSha256;
    result.push(same ? { ...file, state: 'applied' } : file);
    // What is the same is moved away, unless the dataset archives nothing: then it would be read again by each run.
    if (sha256 === undefined || (same && dataset.archive)) continue;
    const place = { dataset: dataset.name, key: file.key };
    const failure = same
      ? new TidemarkFailure('FileChanged', 'uploaded again with the same bytes', { ...place, code: sha256 })
      : new TidemarkFailure('FileChanged', 'this applied file has other content now', place);
    await recordFailure(pool, {
      ...place,
      etag: file.etag,
      failure,
      rejects: [],
      definition: definitionOf(dataset),
      ...(same && { resolution: SAME_BYTES }),
    });
  }
  return { files: result, uncompared };
}

/** The SHA-256 of an object's bytes; `undefined` where it is gone or was replaced meanwhile. */
export async function hashOf(
  store: ObjectStore,
  file: Pick<ClassifiedFile, 'key' | 'etag'>,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const body = await store.read({ key: file.key, etag: file.etag, ...(signal && { signal }) });
    const digest = createHash('sha256');
    for await (const chunk of body.chunks) digest.update(chunk);
    return digest.digest('hex');
  } catch (error) {
    const gone =
      error instanceof TidemarkFailure && (error.kind === 'ObjectReplaced' || error.kind === 'FileVanished');
    if (gone) return undefined;
    throw error;
  }
}
