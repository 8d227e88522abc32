/** The open run of a dataset, whoever started it. */

import type { Client } from '@temporalio/client';
import { ScheduleNotFoundError, WorkflowNotFoundError } from '@temporalio/client';

/** The workflow's registered name. */
export const WORKFLOW_TYPE = 'ingestDataset';

/** An execution. */
export interface RunRef {
  readonly workflowId: string;
  readonly runId: string;
}

/** The Schedule's id, which is also the prefix of the ids of the runs that it starts. */
export function scheduleId(dataset: string): string {
  return `ingest-${dataset}`;
}

/** The id of a run that a person starts. */
export function manualId(dataset: string): string {
  return `ingest-${dataset}-manual`;
}

/**
 * Finds an open run of the dataset: what the Schedule says is running, a run that a person started, and last what
 * visibility lists, which is a moment behind.
 */
export async function findOpenRun(client: Client, dataset: string): Promise<RunRef | undefined> {
  for (const workflowId of [...(await scheduledIds(client, dataset)), manualId(dataset)]) {
    const run = await openRunOf(client, workflowId);
    if (run) return run;
  }
  const query = `WorkflowType = '${WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) {
    const run = belongsTo(workflowId, dataset) ? await openRunOf(client, workflowId) : undefined;
    if (run) return run;
  }
  return undefined;
}

async function scheduledIds(client: Client, dataset: string): Promise<string[]> {
  try {
    const { info } = await client.schedule.getHandle(scheduleId(dataset)).describe();
    return info.runningActions.map(({ workflow }) => workflow.workflowId);
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return [];
    throw error;
  }
}

async function openRunOf(client: Client, workflowId: string): Promise<RunRef | undefined> {
  try {
    const { status, runId } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED' ? { workflowId, runId } : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** A scheduled run's id has its time appended; `ingest-inc-2…` is of `inc`, `ingest-incident` is not. */
function belongsTo(workflowId: string, dataset: string): boolean {
  const prefix = scheduleId(dataset);
  return (
    workflowId === prefix ||
    (/^-(manual$|\d{4}-\d{2}-\d{2}T)/.test(workflowId.slice(prefix.length)) && workflowId.startsWith(prefix))
  );
}
