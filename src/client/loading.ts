import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { LoadProgress } from '../activities/interface.ts';

/** The large file that a run is loading, as of the newest heartbeat. */
export interface Loading extends LoadProgress {
  /** The attempt under way, from 1. */
  readonly attempt: number;
}

/** Who waits for a run does not wait for its progress. */
const ASK_MS = 5_000;

/** What the newest execution of a run is loading: one request to Temporal, nothing to the worker or the history. */
export async function askLoading(client: Client, workflowId: string): Promise<Loading | undefined> {
  const ask = (): Promise<WorkflowExecutionDescription> => client.workflow.getHandle(workflowId).describe();
  const { raw } = await client.withDeadline(Date.now() + ASK_MS, ask);
  for (const { activityType, heartbeatDetails, attempt } of raw.pendingActivities ?? []) {
    const [payload] = heartbeatDetails?.payloads ?? [];
    if (activityType?.name !== 'loadFile' || !payload) continue;
    const said = defaultPayloadConverter.fromPayload<Partial<LoadProgress> | null>(payload);
    const { key, size, bytes, rows } = said ?? {};
    if (typeof key !== 'string' || typeof size !== 'number') continue;
    return { key, size, bytes: Number(bytes), rows: Number(rows), attempt: attempt ?? 1 };
  }
  return undefined;
}
