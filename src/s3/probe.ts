/** Finding out which conditions a store honours: archiving relies on them (docs/semantics.md). */

import { randomUUID } from 'node:crypto';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { call } from './call.ts';
import type { SendOptions } from './call.ts';
import { openContext } from './client.ts';
import type { ObjectStoreOptions, S3Context } from './client.ts';
import { placed } from './errors.ts';
import { copySource, quoted, unquoted } from './headers.ts';
import { listPage } from './list.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';

/**
 * `honoured`: done where the condition holds, refused where it does not. `ignored`: done although it does not hold.
 * `unusable`: refused although it holds.
 */
type ConditionState = 'honoured' | 'ignored' | 'unusable';

/** What a store does with the conditions that reads and moves set. */
export interface ConditionReport {
  /** `If-Match` of a GET. Ignored: a file replaced after it was listed is still noticed, by the ETag of the answer. */
  readonly read: ConditionState;
  /** `x-amz-copy-source-if-match`. Ignored: a file replaced while it is archived may be archived as the loaded one. */
  readonly copySource: ConditionState;
  /** `If-None-Match: *` of a copy's target. Ignored: a foreign write into the archive at that moment is overwritten. */
  readonly copyTarget: ConditionState;
  /** `If-Match` of a DELETE. Ignored: a file replaced at that moment is deleted unread. */
  readonly delete: ConditionState;
}

/** Where to probe. */
export interface ProbeInput {
  /** Where the scratch objects go, ending with `/`; no prefix of change files. */
  readonly prefix: string;
  readonly signal?: AbortSignal;
  /** How old, in milliseconds by S3's clock, a scratch object is that a killed probe has left. Default 10 minutes. */
  readonly leftAfterMs?: number;
}

/** The beginning of a scratch object's name, and what is in it. */
const SCRATCH = '.tidemark-probe-';
const BODY = 'Tidemark tries out conditions here.\n';

/** Longer than a probe takes whose every call is answered at the last moment. */
const LEFT_AFTER_MS = 10 * 60_000;

/** An ETag that no object has: MD5 in hexadecimal has no `x`. */
const WRONG = 'x'.repeat(32);

/**
 * Writes two scratch objects under the prefix, tries each condition with a wrong and with a right ETag, and deletes
 * them, and those that a killed probe has left. Opens a client of its own.
 *
 * Fails like any call: `S3Refused` where writing under the prefix is not allowed.
 */
export async function probeConditions(
  options: ObjectStoreOptions,
  input: ProbeInput,
): Promise<ConditionReport> {
  const context = openContext(options);
  const key = `${input.prefix}${SCRATCH}${randomUUID()}`;
  const scratch: Scratch = { context, key, copyKey: `${key}-copy`, etag: '', signal: input.signal };
  try {
    return await probe({ ...scratch, etag: await put(scratch) });
  } finally {
    await clean(scratch);
    await sweep(context, input);
    context.client.destroy();
  }
}

interface Scratch {
  readonly context: S3Context;
  readonly key: ObjectKey;
  readonly copyKey: ObjectKey;
  readonly etag: string;
  readonly signal: AbortSignal | undefined;
}

async function probe(scratch: Scratch): Promise<ConditionReport> {
  const { etag } = scratch;
  const read = await stateOf(
    () => get(scratch, WRONG),
    () => get(scratch, etag),
  );
  const copySource = await stateOf(
    () => copy(scratch, { CopySourceIfMatch: quoted(WRONG) }),
    () => copy(scratch, { CopySourceIfMatch: quoted(etag) }),
  );
  // The copy exists now, whatever the store made of the conditions: the last one without any sees to it.
  await copy(scratch, {});
  const copyTarget = await stateOf(
    () => copy(scratch, { IfNoneMatch: '*' }),
    () => remove(scratch, scratch.copyKey, {}).then(() => copy(scratch, { IfNoneMatch: '*' })),
  );
  const deleted = await stateOf(
    () => remove(scratch, scratch.key, { IfMatch: quoted(WRONG) }),
    async () => remove(scratch, scratch.key, { IfMatch: quoted(await put(scratch)) }),
  );
  return { read, copySource, copyTarget, delete: deleted };
}

async function stateOf(wrong: () => Promise<void>, right: () => Promise<void>): Promise<ConditionState> {
  if (await isDone(wrong)) return 'ignored';
  return (await isDone(right)) ? 'honoured' : 'unusable';
}

/** Whether a step was done; what is neither done nor refused for its condition fails the probe. */
async function isDone(step: () => Promise<void>): Promise<boolean> {
  try {
    await step();
    return true;
  } catch (error) {
    const { kind, details } =
      error instanceof TidemarkFailure ? error : { kind: undefined, details: undefined };
    // 501: some stores answer so to a condition that they know but do not support.
    if (kind === 'ObjectReplaced' || kind === 'FileVanished' || details?.code === 'NotImplemented')
      return false;
    throw error;
  }
}

async function put({ context, key, signal }: Scratch): Promise<string> {
  const { ETag } = await send({ context, signal }, 'PutObject', key, (options) =>
    context.client.send(
      new PutObjectCommand({
        Bucket: context.bucket,
        Key: key,
        Body: BODY,
      }),
      options,
    ),
  );
  if (ETag !== undefined) return unquoted(ETag);
  const place = { operation: 'PutObject', bucket: context.bucket, key };
  throw placed('S3Unavailable', 'the answer has no ETag', place, 'IncompleteAnswer');
}

async function get({ context, key, signal }: Scratch, etag: string): Promise<void> {
  await send({ context, signal }, 'GetObject', key, async (options) => {
    const { Body } = await context.client.send(
      new GetObjectCommand({ Bucket: context.bucket, Key: key, IfMatch: quoted(etag) }),
      options,
    );
    await Body?.transformToByteArray();
  });
}

async function copy(
  { context, key, copyKey, signal }: Scratch,
  conditions: { readonly CopySourceIfMatch?: string; readonly IfNoneMatch?: string },
): Promise<void> {
  const CopySource = copySource(context.bucket, key);
  await send({ context, signal }, 'CopyObject', copyKey, (options) =>
    context.client.send(
      new CopyObjectCommand({ Bucket: context.bucket, Key: copyKey, CopySource, ...conditions }),
      options,
    ),
  );
}

async function remove(
  { context, signal }: Pick<Scratch, 'context' | 'signal'>,
  key: ObjectKey,
  conditions: { readonly IfMatch?: string },
): Promise<void> {
  await send({ context, signal }, 'DeleteObject', key, (options) =>
    context.client.send(
      new DeleteObjectCommand({ Bucket: context.bucket, Key: key, ...conditions }),
      options,
    ),
  );
}

/** Removes what is left; without the caller's signal, which may have ended the probe. */
async function clean({ context, key, copyKey }: Scratch): Promise<void> {
  for (const left of [key, copyKey]) {
    await remove({ context, signal: undefined }, left, {}).catch(() => {
      // An object of 36 bytes stays; its name says whose it is, and the probe's own outcome matters more.
    });
  }
}

/** Removes what probes have left whose process was killed. Another one's probe under way is too young for that. */
async function sweep(
  context: S3Context,
  { prefix, signal, leftAfterMs = LEFT_AFTER_MS }: ProbeInput,
): Promise<void> {
  try {
    const page = await listPage(context, {
      prefix: `${prefix}${SCRATCH}`,
      limit: 100,
      ...(signal && { signal }),
    });
    for (const { key, size, lastModified } of page.objects) {
      const left = size === BODY.length && page.serverTime - lastModified >= leftAfterMs;
      if (left) await remove({ context, signal }, key, {});
    }
  } catch {
    // As in `clean`: the next start tries again.
  }
}

function send<T>(
  { context, signal }: Pick<Scratch, 'context' | 'signal'>,
  operation: string,
  key: ObjectKey,
  run: (options: SendOptions) => Promise<T>,
): Promise<T> {
  return call(context, { operation, key, signal }, run);
}
