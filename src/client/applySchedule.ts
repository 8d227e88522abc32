import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
  type ScheduleOptionsStartWorkflowAction,
  type ScheduleUpdateOptions,
} from '@temporalio/client';
import type { Dataset } from '../datasets/dataset.ts';
import type { ingestDataset } from '../workflows/ingestDataset.ts';
import { scheduleId, WORKFLOW_TYPE } from './openRun.ts';
import { startAttributes, type StartAttributes } from './searchAttributes.ts';

type Action = ScheduleOptionsStartWorkflowAction<typeof ingestDataset>;

/** A tick missed for longer than this, by an outage, is left to the next one: a run takes all that is pending. */
const CATCHUP_WINDOW = '1 minute';

/** Creates a dataset's Schedule, or brings it up to date; a pause, its note and the rest of its state stay. */
export async function applySchedule(
  client: Client,
  dataset: Dataset,
  taskQueue: string,
): Promise<'created' | 'updated'> {
  const attributes = await startAttributes(client, dataset.name);
  const definition = define(dataset, taskQueue, attributes);
  const id = scheduleId(dataset.name);
  try {
    await client.schedule.create({ scheduleId: id, ...definition });
    return 'created';
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
  await client.schedule.getHandle(id).update(({ state }: ScheduleDescription) => ({ ...definition, state }));
  return 'updated';
}

function define(
  dataset: Dataset,
  taskQueue: string,
  attributes: StartAttributes,
): Omit<ScheduleUpdateOptions<Action>, 'state'> {
  return {
    // The server keeps calendars only; the comment tells which expression they are.
    spec: { cronExpressions: [`${dataset.cron} # ${dataset.cron}`], timezone: dataset.timeZone },
    action: {
      type: 'startWorkflow',
      workflowType: WORKFLOW_TYPE,
      // The server appends the scheduled time.
      workflowId: scheduleId(dataset.name),
      taskQueue,
      args: [{ dataset: dataset.name }],
      staticSummary: `${dataset.name}: load what is pending`,
      ...attributes,
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCHUP_WINDOW },
  };
}
