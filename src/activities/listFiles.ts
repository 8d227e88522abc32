import { createHash } from 'node:crypto';
import type { Dataset } from '../datasets/dataset.ts';
import { definitionOf } from '../datasets/definition.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { archiveKey, parseChangeFileName } from '../domain/changeFile.ts';
import { summarise } from '../domain/listing.ts';
import { classify, type ClassifiedFile } from '../domain/states.ts';
import { recordFailure } from '../postgres/failureLog.ts';
import { ensureDatasetState, loadedKeys, noteListing, readPageFacts } from '../postgres/ledger.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { ListedFile, ListFilesInput, ListFilesResult } from './interface.ts';

/** Most bytes read in one listing to tell a changed file from one uploaded again; the rest waits for the next. */
const MAX_COMPARED_BYTES = 256 * 1024 * 1024;

/** Lists one page, says the state of each object, and notes the listing in PostgreSQL. */
export async function listFiles(
  { datasets, store, pool }: Deps,
  input: ListFilesInput,
  { signal }: Attempt,
): Promise<ListFilesResult> {
  const dataset = findDataset(datasets, input.dataset);
  const page = await store.listPage({
    prefix: dataset.changesPrefix,
    ...(input.after !== undefined && { after: input.after }),
    limit: input.limit,
    signal,
  });
  const facts = await readPageFacts(pool, {
    definition: definitionOf(dataset),
    dataset: dataset.name,
    keys: page.objects.map((object) => object.key),
    range: { after: input.after, upTo: page.next },
  });
  if (input.after === undefined && dataset.archive && facts.watermark !== undefined)
    await checkArchive({ store, pool }, dataset, facts.watermark, signal);
  const files = await compareChanged(
    { datasets, store, pool },
    dataset,
    classify(dataset, page, facts),
    signal,
  );
  const seen = summarise(input.seen, files);
  await ensureDatasetState(pool, dataset.name);
  await noteListing(pool, {
    dataset: dataset.name,
    enabled: dataset.enabled,
    archives: dataset.archive,
    isFirstPage: input.after === undefined,
    listing: seen,
  });
  return {
    files: files.flatMap((file) => toListedFile(dataset, file)),
    ...(page.next !== undefined && { next: page.next }),
    ...(facts.watermark !== undefined && { watermark: facts.watermark }),
    archives: dataset.archive,
    seen,
  };
}

/**
 * Fails where `processed/` has a change file above the watermark that the ledger does not know. What was applied after
 * the point to which PostgreSQL was restored lies there, in no listing, and later files would be applied without it.
 */
async function checkArchive(
  { store, pool }: Pick<Deps, 'store' | 'pool'>,
  dataset: Dataset,
  watermark: string,
  signal: AbortSignal,
): Promise<void> {
  const { processedPrefix, changesPrefix } = dataset;
  const after = archiveKey(dataset, watermark);
  const { objects } = await store.listPage({ prefix: processedPrefix, after, limit: 1000, signal });
  const archived = objects.map(({ key }) => key).filter((key) => parseChangeFileName(processedPrefix, key));
  if (archived.length === 0) return;
  // Asked after the listing: what another run has archived meanwhile is in the ledger.
  const keyOf = (key: string): string => changesPrefix + key.slice(processedPrefix.length);
  const loaded = await loadedKeys(pool, dataset.name, archived.map(keyOf));
  const key = archived.find((candidate) => !loaded.has(keyOf(candidate)));
  if (key === undefined) return;
  throw new TidemarkFailure('LedgerBehind', 'it is archived, and the ledger does not know it', {
    dataset: dataset.name,
    key,
  });
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
    case 'changed':
    case 'covered':
    case 'future':
    case 'ignored':
      return [];
    case 'pending':
    case 'settling':
    case 'failed':
    case 'vanished':
    case 'skipped':
  }
  return [{ key, state, size, etag, ...(failure && { failure }) }];
}

/**
 * Tells files whose content differs from what was applied from those merely uploaded again (another ETag, the same
 * SHA-256), by reading each ETag once: a difference is remembered.
 */
async function compareChanged(
  { store, pool }: Deps,
  dataset: Dataset,
  files: readonly ClassifiedFile[],
  signal: AbortSignal,
): Promise<readonly ClassifiedFile[]> {
  let budget = MAX_COMPARED_BYTES;
  const result: ClassifiedFile[] = [];
  for (const file of files) {
    if (file.appliedSha256 === undefined || (file.size > budget && budget < MAX_COMPARED_BYTES)) {
      result.push(file);
      continue;
    }
    budget -= file.size;
    const sha256 = await hashOf(store, file, signal);
    if (sha256 === file.appliedSha256) {
      result.push({ ...file, state: 'applied' });
      continue;
    }
    result.push(file);
    if (sha256 === undefined) continue;
    const place = { dataset: dataset.name, key: file.key };
    const failure = new TidemarkFailure('FileChanged', 'this applied file has other content now', place);
    await recordFailure(pool, {
      ...place,
      etag: file.etag,
      failure,
      rejects: [],
      definition: definitionOf(dataset),
    });
  }
  return result;
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
