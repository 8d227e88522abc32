/** One store over several buckets: datasets may lie in others than the configuration's. */

import type { ObjectStoreOptions } from './client.ts';
import { createObjectStore } from './createObjectStore.ts';
import type { ObjectStore } from './objectStore.ts';
import type { PrefixedDataset } from '../domain/changeFile.ts';

/** Where the objects of a dataset lie. */
export type PlacedDataset = PrefixedDataset & { readonly bucket?: string };

/** The options for the bucket in which a dataset lies. */
export function inBucketOf<Options extends ObjectStoreOptions>(
  { bucket }: { readonly bucket?: string },
  options: Options,
): Options {
  return bucket === undefined ? options : { ...options, bucket };
}

/**
 * Opens a store that finds the bucket of a key by its dataset's prefixes, which are each one dataset's alone; other keys
 * lie in the bucket of the options. Endpoint, region and credentials are the same for all. To be ended with `destroy`.
 *
 * @throws TidemarkFailure `BadRequest` where an option can't work.
 */
export function createObjectStores(
  options: ObjectStoreOptions,
  datasets: readonly PlacedDataset[],
): ObjectStore {
  const home = createObjectStore(options);
  const others = new Map<string, ObjectStore>();
  const places = datasets.flatMap(({ bucket, changesPrefix, processedPrefix, skippedPrefix }) => {
    if (bucket === undefined || bucket === options.bucket) return [];
    const store = others.get(bucket) ?? createObjectStore({ ...options, bucket });
    others.set(bucket, store);
    return [changesPrefix, processedPrefix, skippedPrefix].map((prefix) => ({ prefix, store }));
  });
  if (places.length === 0) return home;
  const at = (key: string): ObjectStore => places.find(({ prefix }) => key.startsWith(prefix))?.store ?? home;
  return {
    listPage: (input) => at(input.prefix).listPage(input),
    head: (input) => at(input.key).head(input),
    read: (input) => at(input.key).read(input),
    move: (input) => at(input.from).move(input),
    moveAll: (input) => at(input.moves[0]?.from ?? '').moveAll(input),
    check: (input) => at(input.prefix).check(input),
    destroy: () => [home, ...others.values()].forEach((store) => store.destroy()),
  };
}
