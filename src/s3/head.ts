/** Looking at one object. */

import { HeadObjectCommand } from '@aws-sdk/client-s3';
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { call } from './call.ts';
import type { S3Context } from './client.ts';
import { placed } from './errors.ts';
import { unquoted } from './headers.ts';
import type { ListedObject } from './objectStore.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';

/** An object and all that a copy of it has to carry. */
export interface SeenObject extends ListedObject {
  readonly headers: HeadObjectCommandOutput;
}

/** What lies under a key now, `undefined` where nothing does. */
export async function see(
  context: S3Context,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Promise<SeenObject | undefined> {
  try {
    const headers = await call(context, { operation: 'HeadObject', key, signal }, (options) =>
      context.client.send(new HeadObjectCommand({ Bucket: context.bucket, Key: key }), options),
    );
    return seen(context, key, headers);
  } catch (error) {
    if (error instanceof TidemarkFailure && error.kind === 'FileVanished') return undefined;
    throw error;
  }
}

function seen(context: S3Context, key: ObjectKey, headers: HeadObjectCommandOutput): SeenObject {
  const { ContentLength, ETag, LastModified } = headers;
  if (ContentLength === undefined || ETag === undefined || LastModified === undefined) {
    const place = { operation: 'HeadObject', bucket: context.bucket, key };
    throw placed('S3Unavailable', 'the answer lacks size, ETag or time', place, 'IncompleteAnswer');
  }
  return { key, size: ContentLength, etag: unquoted(ETag), lastModified: LastModified.getTime(), headers };
}
