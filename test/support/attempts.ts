import type { WorkflowHandle } from '@temporalio/client';

/** The attempts in which the activities of a run came to their ends. */
export async function attemptsOf(handle: Pick<WorkflowHandle, 'fetchHistory'>): Promise<readonly number[]> {
  const { events } = await handle.fetchHistory();
  const attempts = (events ?? []).flatMap(({ activityTaskStartedEventAttributes: started }) =>
    started ? [started.attempt ?? 0] : [],
  );
  return [...new Set(attempts)].sort((a, b) => a - b);
}
