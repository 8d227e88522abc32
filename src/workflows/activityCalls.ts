/** How each activity is called: bounds, retries, summaries. */

import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  type ActivityOptions,
  proxyLocalActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  Activities,
  ListedFile,
  ListFilesInput,
  ListFilesResult,
  LoadSmallFilesResult,
} from '../activities/interface.ts';
import { nameOf } from '../domain/changeFile.ts';
import { largeQueueOf } from '../domain/slots.ts';
import { isPlain } from './details.ts';

/** The ordinary activities: heartbeating, retried, seen in the UI. */
const ORDINARY: ActivityOptions = {
  // A cancelled run is closed when its attempt has let go, so that what the run says is what happened.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  startToCloseTimeout: '2 hours',
  scheduleToCloseTimeout: '6 hours',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
};
export const ordinary = proxyActivities<Activities>(ORDINARY);

/** Archiving is never urgent: the next run takes up what this one could not. */
const PATIENT: ActivityOptions = {
  startToCloseTimeout: '2 hours',
  scheduleToCloseTimeout: '3 hours',
  heartbeatTimeout: '30 seconds',
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '10 seconds',
    maximumAttempts: 5,
  },
};

/** The same in a slot for large files, which are their own so that they keep no other dataset waiting. */
export function large(): typeof ordinary {
  return proxyActivities<Activities>({ ...ORDINARY, ...onLargeQueue() });
}

function onLargeQueue(): { readonly taskQueue: string } {
  return { taskQueue: largeQueueOf(workflowInfo().taskQueue) };
}

/** The same for small files, whose copies take no time: what hangs here must not hold up the loads behind it. */
const BRISK: ActivityOptions = {
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: '5 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumAttempts: 2 },
};

/** How files are archived: in an ordinary slot, for as long as that may be had, or in one for large files. */
export function archiving(are: 'small' | 'any', slot: 'ordinary' | 'large'): typeof ordinary {
  const options = are === 'small' ? BRISK : PATIENT;
  return proxyActivities<Activities>(slot === 'ordinary' ? options : { ...options, ...onLargeQueue() });
}

/** One try of a backlog's batch: what it leaves goes to `loadFile`. */
export const once = proxyActivities<Activities>({
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '30 seconds',
  retry: { maximumAttempts: 1 },
});

/** A first try without the server's round trips: one attempt, a few seconds. */
export const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '8 seconds',
  scheduleToCloseTimeout: '10 seconds',
  retry: { maximumAttempts: 1 },
});

/** Lists one page; where it is to compare large files, in a slot for them. */
export async function list(input: ListFilesInput): Promise<ListFilesResult> {
  const { listFiles } = input.comparesAll === true ? large() : ordinary;
  return unwrapped(listFiles.executeWithOptions({ summary: summaryOf(input) }, [input]));
}

/** A page may end with an object of any name, and the UI takes a summary for Markdown: only a change file's is said. */
function summaryOf({ after }: ListFilesInput): string {
  if (after === undefined) return 'from the first';
  return isPlain(after) ? `after ${nameOf(after)}` : 'after an object of another name';
}

/** Waits for an activity, and fails with the one sentence of its own failure instead of Temporal's wrapping. */
export async function unwrapped<T>(activity: Promise<T>): Promise<T> {
  try {
    return await activity;
  } catch (error) {
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure)) throw error;
    throw withoutStack(
      ApplicationFailure.create({
        message: cause.message,
        ...(cause.type && { type: cause.type }),
        details: cause.details ?? [],
        nonRetryable: true,
      }),
    );
  }
}

/** The failure of a file that was refused before, or has vanished. */
export function failureOf({ key, state, failure }: ListedFile): ApplicationFailure {
  if (!failure) return finalFailure({ kind: 'InternalError', message: `${key}: ${state}`, details: { key } });
  const { message, kind, ...details } = failure;
  return finalFailure({ kind, message, details });
}

/** A failure that ends the run: one sentence, its kind as type, its place as details. */
export function finalFailure(failure: NonNullable<LoadSmallFilesResult['failure']>): ApplicationFailure {
  const { kind, message, details } = failure;
  return withoutStack(
    ApplicationFailure.create({ message, type: kind, details: [details], nonRetryable: true }),
  );
}

/** The sentence says all; a stack would only show the worker's paths in the UI. */
function withoutStack(failure: ApplicationFailure): ApplicationFailure {
  failure.stack = '';
  return failure;
}
