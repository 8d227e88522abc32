/** How each activity is called: bounds, retries, summaries. */

import { ActivityFailure, ApplicationFailure, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities, ListedFile, ListFilesInput, ListFilesResult } from '../activities/interface.ts';

/** The ordinary activities: heartbeating, retried, seen in the UI. */
export const ordinary = proxyActivities<Activities>({
  startToCloseTimeout: '2 hours',
  scheduleToCloseTimeout: '6 hours',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Archiving is never urgent: the next run takes up what this one could not. */
export const patient = proxyActivities<Activities>({
  startToCloseTimeout: '2 hours',
  scheduleToCloseTimeout: '3 hours',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds', maximumAttempts: 5 },
});

/** A first try without the server's round trips: one attempt, a few seconds. */
export const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '8 seconds',
  scheduleToCloseTimeout: '10 seconds',
  retry: { maximumAttempts: 1 },
});

/** Lists one page. */
export async function list(input: ListFilesInput): Promise<ListFilesResult> {
  return unwrapped(
    ordinary.listFiles.executeWithOptions({ summary: input.after ? `after ${input.after}` : 'from the first' }, [
      input,
    ]),
  );
}

/** Waits for an activity, and fails with the one sentence of its own failure instead of Temporal's wrapping. */
export async function unwrapped<T>(activity: Promise<T>): Promise<T> {
  try {
    return await activity;
  } catch (error) {
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure)) throw error;
    throw ApplicationFailure.create({
      message: cause.message,
      ...(cause.type && { type: cause.type }),
      details: cause.details ?? [],
      nonRetryable: true,
    });
  }
}

/** Whether an activity failed for good: trying again can't help. */
export function isFinalFailure(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && (cause.nonRetryable ?? false);
}

/** The failure of a file that was refused before, or has vanished. */
export function failureOf(file: ListedFile): ApplicationFailure {
  const { failure } = file;
  return ApplicationFailure.create({
    message: failure?.message ?? `${file.key}: ${file.state}`,
    ...(failure && { type: failure.kind, details: [withoutMessage(failure)] }),
    nonRetryable: true,
  });
}

function withoutMessage({ message: _message, ...details }: NonNullable<ListedFile['failure']>): object {
  return details;
}
