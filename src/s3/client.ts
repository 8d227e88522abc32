/** The client of the AWS SDK, its limits, and what the adapter's parts share. */

import { S3Client } from '@aws-sdk/client-s3';
import { TidemarkFailure } from '../domain/failures.ts';
import { learnWay } from './direct.ts';
import type { DirectWay } from './direct.ts';

/** Options of `createObjectStore`; what is absent here comes from the AWS SDK's own variables and files. */
export interface ObjectStoreOptions {
  readonly bucket: string;
  /** Puts the bucket into the path: servers other than AWS mostly need it. Default false. */
  readonly forcePathStyle?: boolean;
  /** Default `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile, else AWS. */
  readonly endpoint?: string;
  /** Default `AWS_REGION` or the profile's. */
  readonly region?: string;
  /** Default the SDK's chain: environment, profile, container, instance. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** How long a read waits for the next bytes, in milliseconds. Default 30,000 (docs/semantics.md). */
  readonly stallMs?: number;
  /** How long one attempt waits for an answer to begin, in milliseconds; copies have `copyMs`. Default 20,000. */
  readonly requestMs?: number;
  /** How long one attempt of a server-side copy may take, in milliseconds. Default 15 minutes: 5 GiB at 6 MB/s. */
  readonly copyMs?: number;
  /** Attempts of the SDK for one call. Default 3: Temporal retries above. */
  readonly maxAttempts?: number;
  /** Bytes beyond which an object is copied in parts. Default 5 GiB, the most that CopyObject takes. */
  readonly multipartAbove?: number;
  /** Bytes of a part. Default 512 MiB; S3 takes 5 MiB to 5 GiB. */
  readonly partSize?: number;
}

/** What every method of the adapter works with. */
export interface S3Context {
  readonly client: S3Client;
  readonly bucket: string;
  readonly stallMs: number;
  readonly requestMs: number;
  readonly copyMs: number;
  readonly maxAttempts: number;
  readonly multipartAbove: number;
  readonly partSize: number;
  /** What the store's answers have shown so far. */
  readonly learnt: {
    /** Whether a copy of a plain object has its source's ETag; under KMS it has not. */
    copiesKeepEtag?: boolean;
    /** How `sendDirect` reaches the bucket's objects. */
    way?: DirectWay;
  };
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** A TCP and TLS handshake that takes longer than this is no connection. */
const CONNECTION_MS = 5_000;

/** More than a worker's activities need; the SDK's default of 50 would let slow reads starve the archive's calls. */
const MAX_SOCKETS = 128;

/**
 * Checks the options and opens a client; it connects at the first call.
 *
 * @throws TidemarkFailure `BadRequest` where an option can't work.
 */
export function openContext(options: ObjectStoreOptions): S3Context {
  const context = {
    learnt: {},
    bucket: options.bucket,
    stallMs: options.stallMs ?? 30_000,
    requestMs: options.requestMs ?? 20_000,
    copyMs: options.copyMs ?? 15 * 60_000,
    maxAttempts: options.maxAttempts ?? 3,
    multipartAbove: options.multipartAbove ?? 5 * GIB,
    partSize: options.partSize ?? 512 * MIB,
  };
  if (context.bucket === '') throw new TidemarkFailure('BadRequest', 'no S3 bucket is named');
  for (const name of ['stallMs', 'requestMs', 'copyMs', 'maxAttempts', 'multipartAbove'] as const) {
    if (!(Number.isInteger(context[name]) && context[name] > 0))
      throw new TidemarkFailure('BadRequest', `${name} must be a positive whole number`);
  }
  if (!(Number.isInteger(context.partSize) && context.partSize >= 5 * MIB && context.partSize <= 5 * GIB))
    throw new TidemarkFailure('BadRequest', 'partSize must be a whole number of bytes from 5 MiB to 5 GiB');
  const client = openClient(options, context);
  learnWay(client, context.learnt);
  return { ...context, client };
}

function openClient(options: ObjectStoreOptions, limits: Omit<S3Context, 'client'>): S3Client {
  // The SDK's own switch. Its notice that versions of 2027 will want Node 22 is for who updates the pinned version, and
  // would stand on the stderr of every verb.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  return new S3Client({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    forcePathStyle: options.forcePathStyle ?? false,
    maxAttempts: limits.maxAttempts,
    // Other servers than AWS do not all know the checksums that the SDK would add; length and ETag are checked here.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECTION_MS,
      // Runs until the headers of the answer, so it can't end a long body; without the flag the SDK only warns.
      requestTimeout: limits.requestMs,
      throwOnRequestTimeout: true,
      // Off: it would break a read whose consumer is slow. `call` and the stall watchdog bound the rest.
      socketTimeout: 0,
      httpAgent: { maxSockets: MAX_SOCKETS },
      httpsAgent: { maxSockets: MAX_SOCKETS },
    },
  });
}
