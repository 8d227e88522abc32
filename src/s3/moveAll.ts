/** Moving many small objects into one folder, with two requests each and two listings for all of them. */

import { CopyObjectCommand } from '@aws-sdk/client-s3';
import { call } from './call.ts';
import type { SendOptions } from './call.ts';
import type { S3Context } from './client.ts';
import { textDirect } from './direct.ts';
import { copySource, quoted } from './headers.ts';
import { listPage } from './list.ts';
import { ifUndisturbed, move, remove } from './move.ts';
import type { Move, MoveAttempt, ObjectStore } from './objectStore.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';

/** Requests under way at once. */
const SIDE_BY_SIDE = 8;

/** The ETag of an object written whole and not under KMS: the MD5 of its bytes, which a copy has too. */
const PLAIN_ETAG = /^[0-9a-f]{32}$/;

/**
 * See `ObjectStore.moveAll`. Where a single move looks at each object before and after its copy, this looks at the
 * target's folder once before all copies and once after them. Whatever is not plain in that picture (other bytes in
 * the way, a copy whose ETag differs, a replaced source, a target past the page) goes through `move`, one by one.
 */
export async function moveAll(
  context: S3Context,
  { moves, signal }: Parameters<ObjectStore['moveAll']>[0],
): Promise<readonly MoveAttempt[]> {
  const done = new Map<Move, MoveAttempt>();
  let plain = moves.filter(({ etag }) => PLAIN_ETAG.test(etag));
  const [first] = plain;
  if (first && context.learnt.copiesKeepEtag === undefined) {
    const attempt = await carefully(context, first, signal);
    done.set(first, attempt);
    // Learnt from a copy that is there, and from nothing else.
    if (attempt.outcome === 'moved' && attempt.key === first.to) {
      context.learnt.copiesKeepEtag = (await look(context, [first], signal)).get(first.to) === first.etag;
    }
  }
  if (context.learnt.copiesKeepEtag === true) {
    plain = plain.filter((one) => !done.has(one));
    for (const one of await movePlain(context, plain, signal)) {
      done.set(one, { outcome: 'moved', key: one.to });
    }
  }
  const left = moves.filter((one) => !done.has(one));
  await sideBySide(left, async (one) => {
    done.set(one, await carefully(context, one, signal));
  });
  return moves.flatMap((one) => done.get(one) ?? []);
}

/** Moves what is plain. @returns what has arrived, and left its old place; the rest is as it was or copied. */
async function movePlain(
  context: S3Context,
  moves: readonly Move[],
  signal: AbortSignal | undefined,
): Promise<readonly Move[]> {
  if (moves.length === 0) return [];
  const before = await look(context, moves, signal);
  await sideBySide(
    moves.filter(({ to }) => before.get(to) === NOTHING),
    (one) => ifUndisturbed(copyPlain(context, one, signal)),
  );
  const after = await look(context, moves, signal);
  const arrived: Move[] = [];
  await sideBySide(
    moves.filter(({ to, etag }) => after.get(to) === etag),
    async (one) => {
      if (await ifUndisturbed(remove(context, { ...one, ...(signal && { signal }) }))) arrived.push(one);
    },
  );
  return arrived;
}

/** What `look` says of a key under which nothing lies. */
const NOTHING = Symbol('nothing');

/** The ETags under the targets, from one page of their folder; targets past that page are left out. */
async function look(
  context: S3Context,
  moves: readonly Move[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<ObjectKey, string | typeof NOTHING>> {
  const targets = moves.map(({ to }) => to).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const [first = ''] = targets;
  const page = await listPage(context, {
    prefix: first.slice(0, first.lastIndexOf('/') + 1),
    // Any key that sorts just before the first target will do: its own beginning is one.
    after: first.slice(0, -1),
    limit: 1000,
    ...(signal && { signal }),
  });
  const etags = new Map(page.objects.map(({ key, etag }) => [key, etag]));
  const { next } = page;
  const seen = targets.filter(
    (to) => next === undefined || Buffer.compare(Buffer.from(to), Buffer.from(next)) <= 0,
  );
  return new Map(seen.map((to) => [to, etags.get(to) ?? NOTHING]));
}

/** Copies with all that the source carries; its ETag is its copy's, so nothing need be recorded. */
async function copyPlain(
  context: S3Context,
  { from, to, etag }: Move,
  signal: AbortSignal | undefined,
): Promise<void> {
  await call(
    context,
    { operation: 'CopyObject', key: from, etag, signal, attemptMs: context.copyMs },
    async (options) => {
      const CopySource = copySource(context.bucket, from);
      if (await copyDirect(context, { to, source: CopySource, etag }, options)) return;
      await context.client.send(
        new CopyObjectCommand({
          Bucket: context.bucket,
          Key: to,
          CopySource,
          CopySourceIfMatch: quoted(etag),
          IfNoneMatch: '*',
        }),
        options,
      );
    },
  );
}

/** Copies on the short way. @returns whether S3 says that it is done; it may begin a 200 and end it with an error */
async function copyDirect(
  context: S3Context,
  { to, source, etag }: { readonly to: ObjectKey; readonly source: string; readonly etag: string },
  options: SendOptions,
): Promise<boolean> {
  const headers = {
    'x-amz-copy-source': source,
    'x-amz-copy-source-if-match': quoted(etag),
    'if-none-match': '*',
  };
  const request = { method: 'PUT', key: to, headers } as const;
  const text = await textDirect(context, request, { expected: 200, options });
  return text !== undefined && COPIED.test(text);
}

/** The root element of the answer of a copy that was made. */
const COPIED = /<CopyObjectResult[\s>]/;

async function carefully(
  context: S3Context,
  one: Move,
  signal: AbortSignal | undefined,
): Promise<MoveAttempt> {
  try {
    return await move(context, { ...one, ...(signal && { signal }) });
  } catch (error) {
    if (error instanceof TidemarkFailure) return { outcome: 'failed', failure: error };
    throw error;
  }
}

/** Works on all items, a few at once; one that fails does not keep the others from being done. */
async function sideBySide<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      await work(item).catch((error: unknown) => {
        // It is not done, so it goes through `move`, which says what is wrong.
        if (!(error instanceof TidemarkFailure)) throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE, items.length) }, worker));
}
