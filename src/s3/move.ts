/** Moving an object so that nothing can be destroyed: copy under the ETag, verify, delete under the same ETag. */

import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { call } from './call.ts';
import { isCopyOf } from './carried.ts';
import type { S3Context } from './client.ts';
import { copy } from './copy.ts';
import { textDirect } from './direct.ts';
import { placed } from './errors.ts';
import { see } from './head.ts';
import type { SeenObject } from './head.ts';
import { quoted } from './headers.ts';
import type { MoveOutcome, ObjectStore } from './objectStore.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';

type MoveInput = Parameters<ObjectStore['move']>[0];

/** Copy, delete, and as many again for a writer that interferes. */
const MAX_STEPS = 4;

/**
 * See `ObjectStore.move`. Looks, does one thing, looks again: so a copy is verified before the delete, and after a
 * crash, a lost answer or another attempt's interference the next look finds out where things stand.
 */
export async function move(context: S3Context, input: MoveInput): Promise<MoveOutcome> {
  const { from, to, etag, signal } = input;
  if (from === to)
    throw new TidemarkFailure('BadRequest', 'an object can’t be moved onto itself', { key: from });
  for (let step = 0; step < MAX_STEPS; step++) {
    const source = await see(context, from, signal);
    if (source === undefined) return await gone(context, input);
    if (source.etag !== etag) return { outcome: 'changed' };
    const place = await findPlace(context, input, source);
    if (!place.filled) await ifUndisturbed(copy(context, { source, to: place.key, signal }));
    else if (await ifUndisturbed(remove(context, input))) return { outcome: 'moved', key: place.key };
  }
  throw placed(
    'S3Unavailable',
    'the object or its archive kept changing while it was moved',
    { operation: 'move', bucket: context.bucket, key: from, etag },
    'MoveDisturbed',
  );
}

/** What a missing source means: moved before, or lost. */
async function gone(context: S3Context, { to, etag, signal }: MoveInput): Promise<MoveOutcome> {
  for (const key of [to, besideKey(to, etag)]) {
    const found = await see(context, key, signal);
    if (found !== undefined && isCopyOf(found, { etag })) return { outcome: 'already', key };
  }
  return { outcome: 'missing' };
}

interface Place {
  readonly key: ObjectKey;
  /** The bytes are there already. */
  readonly filled: boolean;
}

/** Where the copy belongs: under `to`, or beside it where other bytes lie there. */
async function findPlace(context: S3Context, input: MoveInput, source: SeenObject): Promise<Place> {
  const { from, to, etag, signal } = input;
  const beside = besideKey(to, etag);
  for (const key of [to, beside]) {
    // The source beside its own target would be taken for its copy, and deleted.
    if (key === from) break;
    const found = await see(context, key, signal);
    if (found === undefined) return { key, filled: false };
    if (isCopyOf(found, source)) return { key, filled: true };
  }
  throw new TidemarkFailure('ArchiveRefused', `other bytes lie under ${to} and under ${beside}`, {
    key: from,
    etag,
  });
}

/** Deletes the source, on condition that it still has its ETag. */
export async function remove(context: S3Context, { from, etag, signal }: MoveInput): Promise<void> {
  await call(context, { operation: 'DeleteObject', key: from, etag, signal }, async (options) => {
    const request = { method: 'DELETE', key: from, headers: { 'if-match': quoted(etag) } } as const;
    if ((await textDirect(context, request, { expected: 204, options })) !== undefined) return;
    await context.client.send(
      new DeleteObjectCommand({ Bucket: context.bucket, Key: from, IfMatch: quoted(etag) }),
      options,
    );
  });
}

/**
 * Whether a conditional step was done. Where its condition did not hold, the next look tells why; one reason is that
 * the SDK repeated a step whose first answer was lost.
 */
export async function ifUndisturbed(step: Promise<void>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch (error) {
    const disturbed =
      error instanceof TidemarkFailure && (error.kind === 'ObjectReplaced' || error.kind === 'FileVanished');
    if (disturbed) return false;
    throw error;
  }
}

/** `processed/<stamp>.csv` becomes `processed/<stamp>.<etag>.csv`: other names for other bytes, the same for the same. */
export function besideKey(to: ObjectKey, etag: string): ObjectKey {
  const safe = etag.replaceAll(/[^A-Za-z0-9-]/g, '_');
  return to.replace(/(?:\.csv\.[^./]*|\.[^./]*)?$/, (extension) => `.${safe}${extension}`);
}
