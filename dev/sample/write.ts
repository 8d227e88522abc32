/** Puts a sample into a bucket, as the exporter leaves it. */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { inc } from '../../src/datasets/inc.ts';
import type { SampleFile } from './stream.ts';

/** Left by an older exporter and by S3 consoles: empty objects that look like folders. */
const PLACEHOLDERS: readonly string[] = ['full/', 'latest.csv/', 'latest.json/'];
/** A file up to this goes in one piece, a larger one in parts of it; S3 wants at least 5 MiB. */
const PART_BYTES = 16 * 1024 * 1024;

/** Where to put an object. */
interface Target {
  readonly s3: S3Client;
  readonly bucket: string;
}

/** Writes the files one after the other and the legacy placeholders beside them. */
export async function writeSampleStream(
  input: Target & {
    readonly files: readonly SampleFile[];
    /** Hears of each file when it is there. */
    readonly onWritten?: (written: { readonly file: SampleFile; readonly bytes: number }) => void;
  },
): Promise<void> {
  for (const name of PLACEHOLDERS) {
    await put({ ...input, key: inc.changesPrefix + name, body: Buffer.alloc(0) });
  }
  for (const file of input.files) {
    const bytes = await writeSampleFile({ ...input, file });
    input.onWritten?.({ file, bytes });
  }
}

/** Writes one file, holding one part of it at a time. @returns its bytes. */
async function writeSampleFile(input: Target & { readonly file: SampleFile }): Promise<number> {
  const parts = inParts(input.file.body());
  const first = await parts.next();
  const second = await parts.next();
  const { key } = input.file;
  if (second.done) {
    const body = first.value ?? Buffer.alloc(0);
    await put({ ...input, key, body });
    return body.length;
  }
  return putParts({ ...input, key }, chain([first.value ?? Buffer.alloc(0), second.value], parts));
}

async function put(input: Target & { readonly key: string; readonly body: Buffer }): Promise<void> {
  // The length is given because the SDK takes an empty body for a stream of unknown length, and warns.
  await input.s3.send(
    new PutObjectCommand({
      Bucket: input.bucket,
      Key: input.key,
      Body: input.body,
      ContentLength: input.body.length,
    }),
  );
}

async function putParts(
  { s3, bucket, key }: Target & { readonly key: string },
  parts: AsyncIterable<Buffer>,
): Promise<number> {
  const place = { Bucket: bucket, Key: key };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(place));
  const done: { PartNumber: number; ETag: string | undefined }[] = [];
  let bytes = 0;
  try {
    for await (const Body of parts) {
      const PartNumber = done.length + 1;
      const { ETag } = await s3.send(new UploadPartCommand({ ...place, UploadId, PartNumber, Body }));
      done.push({ PartNumber, ETag });
      bytes += Body.length;
    }
    const MultipartUpload = { Parts: done };
    await s3.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload }));
    return bytes;
  } catch (error) {
    await s3.send(new AbortMultipartUploadCommand({ ...place, UploadId })).catch(() => undefined);
    throw error;
  }
}

async function* inParts(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, undefined> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < PART_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
  return undefined;
}

async function* chain(first: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  yield* rest;
}
