/** Reading an object's bytes, watched. */

import { Readable } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { openCall } from './call.ts';
import type { OpenCall } from './call.ts';
import type { S3Context } from './client.ts';
import { sendDirect } from './direct.ts';
import { placed } from './errors.ts';
import { quoted, unquoted } from './headers.ts';
import type { ObjectBody, ObjectStore } from './objectStore.ts';

type ReadInput = Parameters<ObjectStore['read']>[0];

/** See `ObjectStore.read`. */
export async function read(context: S3Context, { key, etag, signal }: ReadInput): Promise<ObjectBody> {
  const open = openCall(context, { operation: 'GetObject', key, etag, signal });
  try {
    const output =
      (await readDirect(context, { key, etag }, open)) ??
      (await context.client.send(
        new GetObjectCommand({ Bucket: context.bucket, Key: key, IfMatch: quoted(etag) }),
        open.options,
      ));
    open.answered();
    const { body, size } = checkedBody(output, etag, open);
    // Until the loop begins nobody listens, and a cancelled read must not end the process.
    body.on('error', () => undefined);
    body.once('close', () => open.close());
    return { size, etag, chunks: once(open, () => chunksOf(body, size, context.stallMs, open)) };
  } catch (error) {
    open.close();
    throw open.failure(error);
  }
}

/** What is looked at of an answer. */
type Output = Partial<Pick<GetObjectCommandOutput, 'ETag' | 'ContentLength'>> & { readonly Body?: unknown };

/** Asks on the short way. @returns the answer in the SDK's words; `undefined` where the SDK is to ask */
async function readDirect(
  context: S3Context,
  { key, etag }: Pick<ReadInput, 'key' | 'etag'>,
  { options }: OpenCall,
): Promise<Output | undefined> {
  const request = { method: 'GET', key, headers: { 'if-match': quoted(etag) } } as const;
  const answer = await sendDirect(context, request, { expected: 200, options });
  if (!answer) return undefined;
  const { etag: ETag, 'content-length': length } = answer.headers;
  return {
    Body: answer.body,
    ...(ETag !== undefined && { ETag }),
    ...(length !== undefined && /^\d+$/.test(length) && { ContentLength: Number(length) }),
  };
}

/** The body of an answer that is what was asked for; the connection of another one is destroyed. */
function checkedBody(output: Output, etag: string, { place }: OpenCall): { body: Readable; size: number } {
  const { Body, ContentLength, ETag } = output;
  if (!(Body instanceof Readable)) throw placed('InternalError', 'the SDK gave no stream', place);
  if (ETag !== undefined && ContentLength !== undefined && unquoted(ETag) === etag)
    return { body: Body, size: ContentLength };
  Body.destroy();
  // A proxy's page has no ETag; a server that ignores If-Match has the other one.
  if (ETag === undefined || ContentLength === undefined)
    throw placed('S3Unavailable', 'the answer has no ETag or no length', place, 'IncompleteAnswer');
  throw placed(
    'ObjectReplaced',
    'the object has other content than expected, and If-Match was ignored',
    place,
  );
}

/** An iterable for one loop: a second one would find no bytes and take them for an empty file. */
function once({ place }: OpenCall, begin: () => AsyncGenerator<Buffer>): AsyncIterable<Buffer> {
  let begun = false;
  return {
    [Symbol.asyncIterator]: () => {
      if (begun) throw placed('InternalError', 'the bytes of an object were asked for twice', place);
      begun = true;
      return begin();
    },
  };
}

async function* chunksOf(
  body: Readable,
  size: number,
  stallMs: number,
  open: OpenCall,
): AsyncGenerator<Buffer, void, undefined> {
  const iterator: AsyncIterator<unknown> = body[Symbol.asyncIterator]();
  let count = 0;
  try {
    for (;;) {
      const next = await nextWithin(stallMs, iterator, body, open);
      if (next.done === true) break;
      if (!Buffer.isBuffer(next.value)) throw placed('InternalError', 'the stream gave no bytes', open.place);
      count += next.value.length;
      if (count > size) throw wrongLength(count, size, open);
      yield next.value;
    }
    if (count !== size) throw wrongLength(count, size, open);
  } finally {
    // No effect on a body read to its end, whose connection is back in the pool.
    body.destroy();
    open.close();
  }
}

/** The next chunk. The clock runs only here, while bytes are awaited, never while the consumer works. */
async function nextWithin(
  stallMs: number,
  iterator: AsyncIterator<unknown>,
  body: Readable,
  open: OpenCall,
): Promise<IteratorResult<unknown>> {
  let stalled = false;
  const watchdog = setTimeout(() => {
    stalled = true;
    body.destroy(new Error('stalled'));
  }, stallMs);
  try {
    return await iterator.next();
  } catch (error) {
    if (stalled) throw placed('Stalled', `no bytes came for ${stallMs} ms`, open.place);
    throw open.failure(error);
  } finally {
    clearTimeout(watchdog);
  }
}

function wrongLength(count: number, size: number, { place }: OpenCall): Error {
  return placed('S3Unavailable', `${count} bytes came where ${size} were announced`, place, 'WrongLength');
}
