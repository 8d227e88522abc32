/** Copying an object inside the bucket, under its ETag and onto nothing. */

import { CopyObjectCommand } from '@aws-sdk/client-s3';
import { call } from './call.ts';
import { carried } from './carried.ts';
import type { S3Context } from './client.ts';
import { copyInParts } from './copyInParts.ts';
import type { CopyInput } from './copyInParts.ts';
import { copySource, quoted } from './headers.ts';

/**
 * Copies, on condition that the source still has its ETag and that nothing lies under the target.
 *
 * Fails with `ObjectReplaced` or `FileVanished` where a condition did not hold. A server that ignores the second
 * condition (`probeConditions` tells) leaves a moment between look and copy in which a foreign writer could lose.
 */
export async function copy(context: S3Context, input: CopyInput): Promise<void> {
  if (input.source.size > context.multipartAbove) await copyInParts(context, input);
  else await copyWhole(context, input);
}

async function copyWhole(context: S3Context, { source, to, signal }: CopyInput): Promise<void> {
  const { key, etag } = source;
  await call(context, { operation: 'CopyObject', key, etag, signal, attemptMs: context.copyMs }, (options) =>
    context.client.send(
      new CopyObjectCommand({
        Bucket: context.bucket,
        Key: to,
        CopySource: copySource(context.bucket, key),
        CopySourceIfMatch: quoted(etag),
        IfNoneMatch: '*',
        MetadataDirective: 'REPLACE',
        ...carried(source),
      }),
      options,
    ),
  );
}
