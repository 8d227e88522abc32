import type { Dataset } from '../datasets/dataset.ts';
import { archiveKey, parseChangeFileName } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { loadedKeys } from '../postgres/ledger.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { ObjectStore } from '../s3/objectStore.ts';

/** What lies in `processed/` above the watermark is nothing at all, or all that a restore has forgotten: one page tells. */
const PAGE_SIZE = 1_000;

/** What tells it. */
interface Servers {
  readonly store: ObjectStore;
  readonly db: Queryable;
}

/**
 * Fails where `processed/` has a change file above the watermark that the ledger does not know. What was applied after
 * the point to which PostgreSQL was restored lies there, in no listing, and later files would be applied without it.
 *
 * One request of S3. Nothing is asked of a dataset that archives nothing or has no watermark.
 *
 * @throws TidemarkFailure LedgerBehind, naming the first such file
 */
export async function checkArchive(
  servers: Servers,
  dataset: Dataset,
  watermark: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const key = await findForgotten(servers, dataset, watermark, signal);
  if (key === undefined) return;
  throw new TidemarkFailure('LedgerBehind', 'it is archived, and the ledger does not know it', {
    dataset: dataset.name,
    key,
  });
}

/** The first change file in `processed/` above the watermark that the ledger does not know, where there is one. */
export async function findForgotten(
  { store, db }: Servers,
  dataset: Dataset,
  watermark: string | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (!dataset.archive || watermark === undefined) return undefined;
  const { processedPrefix, changesPrefix } = dataset;
  const { objects } = await store.listPage({
    prefix: processedPrefix,
    after: archiveKey(dataset, watermark),
    limit: PAGE_SIZE,
    ...(signal && { signal }),
  });
  const archived = objects.map(({ key }) => key).filter((key) => parseChangeFileName(processedPrefix, key));
  if (archived.length === 0) return undefined;
  // Asked after the listing: what another run has archived meanwhile is in the ledger.
  const keyOf = (key: string): string => changesPrefix + key.slice(processedPrefix.length);
  const loaded = await loadedKeys(db, dataset.name, archived.map(keyOf));
  return archived.find((candidate) => !loaded.has(keyOf(candidate)));
}
