/** Who asks a task queue for tasks. */

import type { Client } from '@temporalio/client';

/** The kinds of task of a queue, as Temporal's API numbers them. */
export const WORKFLOW_TASKS = 1;
export const ACTIVITY_TASKS = 2;

/** A worker, or another who asked, and when. */
type Poller = NonNullable<
  Awaited<ReturnType<Client['workflowService']['describeTaskQueue']>>['pollers']
>[number];

/** Those that Temporal lists: for minutes also one that has ended. */
export async function pollersOf(
  client: Client,
  queue: string,
  taskQueueType: number,
): Promise<readonly Poller[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: queue },
    taskQueueType,
  });
  return pollers ?? [];
}
