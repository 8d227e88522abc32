/** One call of S3: bounded in time, cancellable, its errors translated. */

import type { S3Context } from './client.ts';
import { placed, s3Failure } from './errors.ts';
import type { CallPlace } from './errors.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import type { TidemarkFailure } from '../domain/failures.ts';

/** What a call is, besides its command. */
export interface CallInput {
  readonly operation: string;
  readonly key?: ObjectKey;
  readonly etag?: string;
  readonly signal: AbortSignal | undefined;
  /** How long one attempt waits for the answer to begin, in milliseconds; default the store's `requestMs`. */
  readonly attemptMs?: number;
}

/** Options of the SDK's `send` that every command gets. */
export interface SendOptions {
  readonly abortSignal: AbortSignal;
  readonly requestTimeout: number;
}

/** Room for the SDK's pauses between attempts, which are under two seconds each. */
const PAUSES_FACTOR = 1.25;

/** Sends a command whose answer is complete when the promise settles; bodies that stream go through `openCall`. */
export async function call<T>(
  context: S3Context,
  input: CallInput,
  send: (options: SendOptions) => Promise<T>,
): Promise<T> {
  const open = openCall(context, input);
  try {
    return await send(open.options);
  } catch (error) {
    throw open.failure(error);
  } finally {
    open.close();
  }
}

/** A call under way, with a leash of its own on the caller's signal and on a deadline. */
export interface OpenCall {
  readonly place: CallPlace;
  readonly options: SendOptions;
  /** What an error of this call means: `Cancelled` where the caller's signal caused it. */
  failure(error: unknown): TidemarkFailure;
  /** Lifts the deadline: the answer has begun, and the reader watches the rest. */
  answered(): void;
  /** Lets go of the signal and the deadline; to be called once in any case. */
  close(): void;
}

/**
 * Ties a call to the caller's signal and to a deadline over all attempts. The signal of a long-lived activity gets
 * one listener per open call and loses it at `close`; `AbortSignal.any` would keep them on Node 20.
 */
export function openCall(context: S3Context, input: CallInput): OpenCall {
  const { operation, key, etag, signal } = input;
  const attemptMs = input.attemptMs ?? context.requestMs;
  const place: CallPlace = { operation, bucket: context.bucket, key, etag };
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (signal?.aborted === true) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  const deadline = setTimeout(abort, attemptMs * context.maxAttempts * PAUSES_FACTOR);
  return {
    place,
    options: { abortSignal: controller.signal, requestTimeout: attemptMs },
    failure: (error) => {
      if (signal?.aborted === true) return placed('Cancelled', 'the call of S3 was cancelled', place);
      if (controller.signal.aborted)
        return placed('S3Unavailable', 'S3 did not answer in time', place, 'Deadline');
      return s3Failure(error, place);
    },
    answered: () => clearTimeout(deadline),
    close: () => {
      clearTimeout(deadline);
      signal?.removeEventListener('abort', abort);
    },
  };
}
