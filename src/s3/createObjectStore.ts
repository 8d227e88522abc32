/** The object store over the AWS SDK. */

import { openContext } from './client.ts';
import type { ObjectStoreOptions, S3Context } from './client.ts';
import { see } from './head.ts';
import { listPage } from './list.ts';
import { move } from './move.ts';
import { moveAll } from './moveAll.ts';
import type { ListedObject, ObjectStore } from './objectStore.ts';
import { read } from './read.ts';
import { TidemarkFailure } from '../domain/failures.ts';

export type { ObjectStoreOptions } from './client.ts';

/**
 * Opens the store of one bucket; it connects at the first call. To be ended with `destroy`.
 *
 * @throws TidemarkFailure `BadRequest` where an option can't work.
 */
export function createObjectStore(options: ObjectStoreOptions): ObjectStore {
  const context = openContext(options);
  return {
    listPage: (input) => listPage(context, input),
    head: ({ key, signal }) => head(context, key, signal),
    read: (input) => read(context, input),
    move: (input) => move(context, input),
    moveAll: (input) => moveAll(context, input),
    check: (input) => check(context, input),
    destroy: () => context.client.destroy(),
  };
}

async function head(
  context: S3Context,
  key: string,
  signal: AbortSignal | undefined,
): Promise<ListedObject | undefined> {
  const seen = await see(context, key, signal);
  if (seen === undefined) return undefined;
  return { key, size: seen.size, etag: seen.etag, lastModified: seen.lastModified };
}

async function check(
  context: S3Context,
  { prefix, signal }: Parameters<ObjectStore['check']>[0],
): Promise<void> {
  try {
    await listPage(context, { prefix, limit: 1, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    // A first key that the server cannot spell is somebody's odd name: the prefix can be listed.
    if (!(error instanceof TidemarkFailure && error.details.code === 'MalformedListing')) throw error;
  }
}
