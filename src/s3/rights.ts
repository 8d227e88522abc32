/** Finding out what a user may do in the bucket, on keys of objects that are not there: nothing is written or removed. */

import { randomUUID } from 'node:crypto';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { call } from './call.ts';
import { openContext, type ObjectStoreOptions, type S3Context } from './client.ts';
import { copySource, quoted } from './headers.ts';
import { listPage } from './list.ts';
import type { PrefixedDataset } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';

/** One right, tried out. */
export interface S3Right {
  /** As policies have it: `s3:GetObject`. */
  readonly action: string;
  readonly prefix: string;
  readonly state: 'granted' | 'denied';
  /** Whether the documented policy has it. */
  readonly wanted: 'yes' | 'no';
}

type Send = Parameters<typeof call<unknown>>[2];

interface Attempt {
  readonly action: string;
  readonly prefix: string;
  readonly wanted: S3Right['wanted'];
  readonly operation: string;
  readonly send: (client: S3Client) => Send;
}

/** No object's ETag: MD5 in hexadecimal has no `x`. */
const WRONG = quoted('x'.repeat(32));

/** What S3 answers to who may not; an answer to HEAD has no name. */
const DENIED = new Set(['AccessDenied', 'Forbidden', 'HTTP-403', '403']);

/** Tries out each right. Opens a client of its own. Fails like any call, but where access is denied. */
export async function probeRights(
  options: ObjectStoreOptions,
  input: { readonly dataset: PrefixedDataset; readonly signal?: AbortSignal },
): Promise<readonly S3Right[]> {
  const context = openContext(options);
  const { signal } = input;
  try {
    const rights: S3Right[] = [];
    const { changesPrefix, processedPrefix, skippedPrefix } = input.dataset;
    for (const prefix of [changesPrefix, processedPrefix, skippedPrefix]) {
      const state = await tried(() => listPage(context, { prefix, limit: 1, ...(signal && { signal }) }));
      rights.push({ action: 's3:ListBucket', prefix, state, wanted: 'yes' });
    }
    for (const { action, prefix, wanted, operation, send } of attemptsOf(context, input.dataset)) {
      const state = await tried(() => call(context, { operation, signal }, send(context.client)));
      rights.push({ action, prefix, state, wanted });
    }
    return rights;
  } finally {
    context.client.destroy();
  }
}

function attemptsOf({ bucket: Bucket }: S3Context, dataset: PrefixedDataset): readonly Attempt[] {
  const { changesPrefix, processedPrefix, skippedPrefix } = dataset;
  const nobody = `.tidemark-doctor-${randomUUID()}`;
  const get = (prefix: string): Attempt => ({
    action: 's3:GetObject',
    prefix,
    wanted: 'yes',
    operation: 'GetObject',
    send: (client) => (o) => client.send(new GetObjectCommand({ Bucket, Key: prefix + nobody }), o),
  });
  const remove = (prefix: string, wanted: S3Right['wanted']): Attempt => ({
    action: 's3:DeleteObject',
    prefix,
    wanted,
    operation: 'DeleteObject',
    send: (client) => (o) =>
      client.send(new DeleteObjectCommand({ Bucket, Key: prefix + nobody, IfMatch: WRONG }), o),
  });
  const CopySource = copySource(Bucket, changesPrefix + nobody);
  const put = (prefix: string): Attempt => ({
    action: 's3:PutObject',
    prefix,
    wanted: 'yes',
    operation: 'CopyObject',
    send: (client) => (o) =>
      client.send(
        new CopyObjectCommand({ Bucket, Key: prefix + nobody, CopySource, CopySourceIfMatch: WRONG }),
        o,
      ),
  });
  return [
    ...[changesPrefix, processedPrefix, skippedPrefix].map(get),
    {
      // Without the right to list, a missing object answers 403: archiving rests on the 404.
      action: 's3:ListBucket, so that a missing object answers 404',
      prefix: changesPrefix,
      wanted: 'yes',
      operation: 'HeadObject',
      send: (client) => (o) => client.send(new HeadObjectCommand({ Bucket, Key: changesPrefix + nobody }), o),
    },
    remove(changesPrefix, 'yes'),
    ...[processedPrefix, skippedPrefix].map(put),
    ...[processedPrefix, skippedPrefix].map((prefix) => remove(prefix, 'no')),
  ];
}

/** The object that is asked for is not there: who may ask is told so. */
async function tried(attempt: () => Promise<unknown>): Promise<S3Right['state']> {
  try {
    await attempt();
    return 'granted';
  } catch (error) {
    if (!(error instanceof TidemarkFailure)) throw error;
    const { kind, details } = error;
    if (kind === 'FileVanished' || kind === 'ObjectReplaced' || details.code === 'NotImplemented')
      return 'granted';
    if (kind === 'S3Refused' && DENIED.has(details.code ?? '')) return 'denied';
    throw error;
  }
}
