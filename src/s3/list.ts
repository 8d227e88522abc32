/** Listing a page of keys. */

import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { _Object, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { call } from './call.ts';
import type { S3Context } from './client.ts';
import { placed } from './errors.ts';
import type { CallPlace } from './errors.ts';
import { unquoted } from './headers.ts';
import type { ListedObject, ObjectPage, ObjectStore } from './objectStore.ts';
import { compareKeys } from '../domain/changeFile.ts';
import type { ObjectKey } from '../domain/changeFile.ts';

type ListInput = Parameters<ObjectStore['listPage']>[0];

/** See `ObjectStore.listPage`. */
export async function listPage(context: S3Context, input: ListInput): Promise<ObjectPage> {
  const { prefix, after, limit, signal, folded } = input;
  const place: CallPlace = { operation: 'ListObjectsV2', bucket: context.bucket };
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= 1000))
    throw placed('BadRequest', 'a page has 1 to 1,000 keys', place);
  const { output, date } = await send(context, { prefix, after, limit, signal, folded });
  // Present in every listing: a proxy's page of HTML would be read as an empty one.
  if (output.IsTruncated === undefined)
    throw placed('S3Unavailable', 'the answer is no listing', place, 'IncompleteAnswer');
  const serverTime = Date.parse(date ?? '');
  if (Number.isNaN(serverTime)) throw placed('S3Unavailable', 'the answer has no Date', place, 'MissingDate');
  const listed = listedIn(output, place);
  const objects = output.IsTruncated ? untilLegible(listed, output, place) : listed;
  checkOrder(objects, after, output, place);
  const last = objects.at(-1);
  return {
    objects,
    serverTime,
    ...(output.IsTruncated && last !== undefined ? { next: endOf(last) } : {}),
  };
}

/** Objects and folders, in one order. */
function listedIn(output: ListObjectsV2CommandOutput, place: CallPlace): readonly ListedObject[] {
  const objects = (output.Contents ?? []).map((object) => listedObject(object, output, place));
  const folders = (output.CommonPrefixes ?? []).map(({ Prefix = '' }) => ({
    key: keyIn(output, Prefix, place),
    size: 0,
    etag: FOLDER_ETAG,
    lastModified: 0,
  }));
  // The server's own order shows in what is not mixed.
  if (folders.length === 0) return objects;
  return [...objects, ...folders].sort((a, b) => compareKeys(a.key, b.key));
}

/** No object's: those are hexadecimal. */
const FOLDER_ETAG = 'folder';

/** Where the next page begins: behind a whole folder, which would be listed again after its bare name. */
function endOf({ key, etag }: ListedObject): ObjectKey {
  return etag === FOLDER_ETAG ? `${key}\u{10FFFF}` : key;
}

interface SendInput {
  readonly prefix: string;
  readonly after: ObjectKey | undefined;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  readonly folded: true | undefined;
}

/** Asks for keys in URL form: XML can't carry control characters, and the SDK does not decode. */
async function send(
  context: S3Context,
  { prefix, after, limit, signal, folded }: SendInput,
): Promise<{ output: ListObjectsV2CommandOutput; date: string | undefined }> {
  const command = new ListObjectsV2Command({
    Bucket: context.bucket,
    Prefix: prefix,
    StartAfter: after,
    MaxKeys: limit,
    EncodingType: 'url',
    ...(folded && { Delimiter: '/' }),
  });
  let date: string | undefined;
  // The outputs of the SDK leave out the Date header; this step sees the HTTP response itself.
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      date = dateHeader(result.response);
      return result;
    },
    { step: 'deserialize', name: 'tidemarkServerTime' },
  );
  const output = await call(context, { operation: 'ListObjectsV2', signal }, (options) =>
    context.client.send(command, options),
  );
  return { output, date };
}

function dateHeader(response: unknown): string | undefined {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null || !('date' in headers)) return undefined;
  return typeof headers.date === 'string' ? headers.date : undefined;
}

function listedObject(object: _Object, output: ListObjectsV2CommandOutput, place: CallPlace): ListedObject {
  const { Key, Size, ETag, LastModified } = object;
  if (Key === undefined || Size === undefined || ETag === undefined || LastModified === undefined)
    throw placed('S3Unavailable', 'the listing lacks a key, size, ETag or time', place, 'IncompleteAnswer');
  return {
    key: keyIn(output, Key, place),
    size: Size,
    etag: unquoted(ETag),
    lastModified: LastModified.getTime(),
  };
}

function keyIn({ EncodingType }: ListObjectsV2CommandOutput, text: string, place: CallPlace): ObjectKey {
  return EncodingType === 'url' ? decodedKey(text, place) : text;
}

/** The URL form has `+` for a space. */
function decodedKey(key: string, place: CallPlace): ObjectKey {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    // The URIError would only say that it is malformed.
    throw placed('S3Refused', 'the listing has a key in no URL form', place, 'MalformedListing');
  }
}

/**
 * A server that ignores the URL form replaces what XML can't carry by U+FFFD. Such a key is not where the next page
 * starts after: it would sort elsewhere, and keys be left out. A page that is not the last one ends before it.
 */
function untilLegible(
  objects: readonly ListedObject[],
  output: ListObjectsV2CommandOutput,
  place: CallPlace,
): readonly ListedObject[] {
  const end = objects.findLastIndex(({ key }) => legible(key, output)) + 1;
  if (end === 0)
    throw placed('S3Refused', 'the listing goes on after no legible key', place, 'MalformedListing');
  return objects.slice(0, end);
}

function legible(key: ObjectKey, output: ListObjectsV2CommandOutput): boolean {
  return output.EncodingType === 'url' || !key.includes('\u{FFFD}');
}

/** The order of loads rests on the order of listings, so a store that does not keep it is not used. */
function checkOrder(
  objects: readonly ListedObject[],
  after: ObjectKey | undefined,
  output: ListObjectsV2CommandOutput,
  place: CallPlace,
): void {
  let previous = after;
  for (const { key } of objects) {
    if (!legible(key, output)) continue;
    if (previous !== undefined && compareKeys(previous, key) >= 0)
      throw placed('S3Refused', 'the listing is not in byte order of the keys', place, 'UnorderedListing');
    previous = key;
  }
}
