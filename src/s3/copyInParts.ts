/** Copying an object that is too large for one CopyObject. */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { call } from './call.ts';
import { carried } from './carried.ts';
import type { S3Context } from './client.ts';
import { placed } from './errors.ts';
import type { SeenObject } from './head.ts';
import { copySource, quoted } from './headers.ts';
import type { ObjectKey } from '../domain/changeFile.ts';

/** One copy to make. */
export interface CopyInput {
  readonly source: SeenObject;
  readonly to: ObjectKey;
  readonly signal: AbortSignal | undefined;
}

/** S3's limit on the parts of an upload. */
const MAX_PARTS = 10_000;

/** Copies by an upload whose parts the server takes from the source. */
export async function copyInParts(context: S3Context, { source, to, signal }: CopyInput): Promise<void> {
  const uploadId = await createUpload(context, { source, to, signal });
  try {
    const parts: { PartNumber: number; ETag: string }[] = [];
    for (const range of ranges(source.size, context.partSize)) {
      const PartNumber = parts.length + 1;
      parts.push({
        PartNumber,
        ETag: await copyPart(context, { source, to, signal, uploadId, range, PartNumber }),
      });
    }
    const place = { operation: 'CompleteMultipartUpload', key: to, signal, attemptMs: context.copyMs };
    await call(context, place, (options) =>
      context.client.send(
        new CompleteMultipartUploadCommand({
          Bucket: context.bucket,
          Key: to,
          UploadId: uploadId,
          IfNoneMatch: '*',
          MultipartUpload: { Parts: parts },
        }),
        options,
      ),
    );
  } catch (error) {
    await abandon(context, to, uploadId);
    throw error;
  }
}

async function createUpload(context: S3Context, { source, to, signal }: CopyInput): Promise<string> {
  const place = { operation: 'CreateMultipartUpload', key: to, signal };
  const Tagging = await tagsOf(context, source, signal);
  const { UploadId } = await call(context, place, (options) =>
    context.client.send(
      new CreateMultipartUploadCommand({ Bucket: context.bucket, Key: to, Tagging, ...carried(source) }),
      options,
    ),
  );
  if (UploadId !== undefined) return UploadId;
  throw placed(
    'S3Unavailable',
    'the answer has no upload id',
    { ...place, bucket: context.bucket },
    'IncompleteAnswer',
  );
}

interface PartInput extends CopyInput {
  readonly uploadId: string;
  readonly range: string;
  readonly PartNumber: number;
}

async function copyPart(context: S3Context, input: PartInput): Promise<string> {
  const { source, to, signal, uploadId, range, PartNumber } = input;
  const { key, etag } = source;
  const place = { operation: 'UploadPartCopy', key, etag, signal, attemptMs: context.copyMs };
  const { CopyPartResult } = await call(context, place, (options) =>
    context.client.send(
      new UploadPartCopyCommand({
        Bucket: context.bucket,
        Key: to,
        UploadId: uploadId,
        PartNumber,
        CopySource: copySource(context.bucket, key),
        CopySourceIfMatch: quoted(etag),
        CopySourceRange: range,
      }),
      options,
    ),
  );
  if (CopyPartResult?.ETag !== undefined) return CopyPartResult.ETag;
  throw placed(
    'S3Unavailable',
    'the answer has no ETag',
    { ...place, bucket: context.bucket },
    'IncompleteAnswer',
  );
}

/** Ends a broken upload, so that its parts cost nothing; without the caller's signal, which may be what broke it. */
async function abandon(context: S3Context, to: ObjectKey, uploadId: string): Promise<void> {
  const place = { operation: 'AbortMultipartUpload', key: to, signal: undefined };
  await call(context, place, (options) =>
    context.client.send(
      new AbortMultipartUploadCommand({ Bucket: context.bucket, Key: to, UploadId: uploadId }),
      options,
    ),
  ).catch(() => {
    // The failure that brought us here says more, and the bucket's rule for incomplete uploads removes the parts.
  });
}

/** CopyObject takes tags along by itself, an upload has to be told. */
async function tagsOf(
  context: S3Context,
  { key, headers }: SeenObject,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if ((headers.TagCount ?? 0) === 0) return undefined;
  const { TagSet } = await call(context, { operation: 'GetObjectTagging', key, signal }, (options) =>
    context.client.send(new GetObjectTaggingCommand({ Bucket: context.bucket, Key: key }), options),
  );
  return new URLSearchParams(
    (TagSet ?? []).map(({ Key, Value }): [string, string] => [Key ?? '', Value ?? '']),
  ).toString();
}

/** The byte ranges of an object's parts: of `partSize`, or larger where there would be too many. */
function* ranges(size: number, partSize: number): Generator<string> {
  const step = Math.max(partSize, Math.ceil(size / MAX_PARTS));
  for (let start = 0; start < size; start += step) yield `bytes=${start}-${Math.min(start + step, size) - 1}`;
}
