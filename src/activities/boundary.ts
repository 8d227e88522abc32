/** Where our code meets Temporal: heartbeats, cancellation, and failures built anew (docs/semantics.md). */

import { setMaxListeners } from 'node:events';
import { ApplicationFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import { isFinal, TidemarkFailure } from '../domain/failures.ts';
import { framesOf } from '../domain/frames.ts';
import type { Attempt } from './deps.ts';
import type { LoadProgress } from './interface.ts';

/**
 * A heartbeat says that the process lives and lets a cancellation through; what stalls inside an attempt is found by
 * the deadlines of the S3 body, the COPY and each statement.
 */
const HEARTBEAT_MS = 2_000;

/** Runs one activity attempt. */
export async function atBoundary<T>(work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const context = Context.current();
  const { workflowExecution } = context.info;
  // Each request under way listens, and more than ten of them are no leak, which Node would warn of.
  setMaxListeners(0, context.cancellationSignal);
  let progress: LoadProgress | undefined;
  const beat = (): void => context.heartbeat(progress);
  const heart = context.info.isLocal ? undefined : setInterval(beat, HEARTBEAT_MS);
  try {
    return await work({
      signal: context.cancellationSignal,
      number: context.info.attempt,
      tell: (now) => (progress = now),
      provenance: {
        workflow_id: workflowExecution?.workflowId ?? '',
        run_id: workflowExecution?.runId ?? '',
      },
    });
  } catch (error) {
    if (context.cancellationSignal.aborted) await context.cancelled;
    throw toApplicationFailure(error, (frames) => context.log.error('a defect of Tidemark', { frames }));
  } finally {
    clearInterval(heart);
  }
}

/**
 * Builds the failure that leaves the process. Anything that is not ours is a defect: its message may quote a row, so
 * only its stack frames are logged, here.
 */
function toApplicationFailure(
  error: unknown,
  logFrames: (frames: readonly string[]) => void,
): ApplicationFailure {
  let failure: TidemarkFailure;
  if (error instanceof TidemarkFailure) {
    failure = error;
  } else {
    logFrames(framesOf(error));
    failure = new TidemarkFailure('InternalError', 'an activity failed in a way that it should not');
  }
  const result = ApplicationFailure.create({
    message: failure.message,
    type: failure.kind,
    nonRetryable: isFinal(failure.kind),
    details: [failure.details],
  });
  result.stack = '';
  return result;
}
