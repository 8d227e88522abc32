/** Runs of one of many datasets. */

import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { Dataset } from '../../src/datasets/dataset.ts';
import type { ingestDataset } from '../../src/workflows/ingestDataset.ts';
import type { World } from './world.ts';

/** Starts a run of one of a world's datasets. */
export async function runOf(
  { name: taskQueue, shared }: World,
  { name }: Dataset,
): Promise<WorkflowHandleWithFirstExecutionRunId<typeof ingestDataset>> {
  return shared.temporal.workflow.start<typeof ingestDataset>('ingestDataset', {
    args: [{ dataset: name }],
    taskQueue,
    workflowId: `${taskQueue}-${name}`,
  });
}
