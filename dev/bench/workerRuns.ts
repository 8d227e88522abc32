/** Runs of the real workflow on a real worker process. */

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { inc } from '../../src/datasets/inc.ts';
import type { IngestResult } from '../../src/workflows/run.ts';
import { workerCommand } from '../demo/product.ts';
import { childEnvironment } from '../embedded.ts';
import type { Ground } from './ground.ts';

type History = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>;

/** A run that has ended. */
export interface EndedRun {
  readonly workflowId: string;
  readonly ms: number;
  readonly result: IngestResult;
  /** Events of its history; of the last part of it, where it went on as new. */
  readonly events: number;
  /** Ordinary and local activities in that history. */
  readonly activities: number;
  /** Milliseconds that its `loadFile` activities took: those of large files. */
  readonly loadMs: number;
}

/** A worker process of its own, and who starts runs on it. */
export interface WorkerRuns {
  /** Starts a run and waits for its end. */
  run(): Promise<EndedRun>;
  /** The histories of a run, one for each time that it went on as new. */
  histories(workflowId: string): Promise<readonly { readonly events: number; readonly bytes: number }[]>;
  /** Ends the worker's process as a crash does, and starts it anew. */
  crash(): Promise<void>;
  /** The most memory that the worker has had resident so far, in bytes; `undefined` where the system does not say. */
  peakMemory(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** No run takes longer. */
const RUN_MS = 15 * 60_000;
/** `temporal.api.enums.v1.TaskQueueType`: workflow, activity. */
const QUEUE_TYPES = [1, 2] as const;
/** The marker with which Temporal's core records a local activity. */
const LOCAL_ACTIVITY = 'core_local_activity';

export async function startWorkerRuns({ stack, signal }: Ground): Promise<WorkerRuns> {
  const { TEMPORAL_ADDRESS: address = '', TEMPORAL_NAMESPACE: namespace = '' } = stack.env;
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  // A queue of its own: Temporal would go on for a while to give tasks to a worker that is gone.
  const taskQueue = `bench-${randomUUID()}`;
  const { options, program, env } = await workerCommand();
  const worker = await stack.add({
    name: `worker of ${taskQueue}`,
    command: process.execPath,
    args: [...options, program],
    env: { ...childEnvironment(stack), ...env, TIDEMARK_TASK_QUEUE: taskQueue },
    probe: () => assertPolled(client, taskQueue),
    // Its servers end with it, so there is nothing left to wind up.
    stopSignal: 'SIGKILL',
  });
  return {
    run: async () => {
      const started = performance.now();
      const handle = await client.workflow.start('ingestDataset', {
        taskQueue,
        workflowId: `bench-${randomUUID()}`,
        args: [{ dataset: inc.name }],
      });
      const ended = new AbortController();
      const late = lateRun(AbortSignal.any([signal, ended.signal]));
      const result = (await Promise.race([handle.result(), late]).finally(() =>
        ended.abort(),
      )) as IngestResult;
      return {
        workflowId: handle.workflowId,
        ms: performance.now() - started,
        result,
        ...(await historyOf(client.workflow.getHandle(handle.workflowId))),
      };
    },
    histories: async (workflowId) => {
      const histories: { events: number; bytes: number }[] = [];
      for await (const part of client.workflow.list({ query: `WorkflowId = '${workflowId}'` }))
        histories.push({ events: part.historyLength, bytes: part.historySize ?? 0 });
      return histories;
    },
    crash: async () => {
      await worker.stop('SIGKILL');
      await worker.start();
    },
    peakMemory: () => peakOf(worker.pid()),
    close: async () => {
      await worker.stop();
      await connection.close();
    },
  };
}

/** Fails where fewer workers than these poll a queue. */
export async function assertPolled(
  { connection, options: { namespace } }: Client,
  queue: string,
  workers = 1,
): Promise<void> {
  for (const taskQueueType of QUEUE_TYPES) {
    const request = { namespace, taskQueue: { name: queue }, taskQueueType };
    const { pollers } = await connection.workflowService.describeTaskQueue(request);
    if ((pollers?.length ?? 0) < workers) throw new Error('it does not poll for work yet');
  }
}

async function historyOf(
  handle: WorkflowHandle,
): Promise<Pick<EndedRun, 'events' | 'activities' | 'loadMs'>> {
  const events = (await handle.fetchHistory()).events ?? [];
  const activities = events.filter(
    ({ activityTaskScheduledEventAttributes: ordinary, markerRecordedEventAttributes: marker }) =>
      ordinary || marker?.markerName === LOCAL_ACTIVITY,
  );
  return { events: events.length, activities: activities.length, loadMs: loadMsOf(events) };
}

/** From the start of each `loadFile` to its end, all of them. */
function loadMsOf(events: History): number {
  const byId = new Map(events.map((event) => [Number(event.eventId), event]));
  return events.reduce((sum, { activityTaskCompletedEventAttributes: ended, eventTime }) => {
    const scheduled = byId.get(Number(ended?.scheduledEventId))?.activityTaskScheduledEventAttributes;
    if (scheduled?.activityType?.name !== 'loadFile') return sum;
    return sum + msOf(eventTime) - msOf(byId.get(Number(ended?.startedEventId))?.eventTime);
  }, 0);
}

function msOf(time: History[number]['eventTime']): number {
  return Number(time?.seconds ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6;
}

async function lateRun(signal: AbortSignal): Promise<never> {
  await delay(RUN_MS, undefined, { signal, ref: false });
  throw new Error(`a run did not end within ${RUN_MS / 60_000} minutes`);
}

/** The most memory that a process has had, in bytes: Linux keeps the high-water mark itself, so that no peak is missed between two looks. */
export async function peakOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
