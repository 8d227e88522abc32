/** The checks of Temporal. */

import {
  ScheduleNotFoundError,
  type Client,
  type Connection,
  type ScheduleDescription,
} from '@temporalio/client';
import type { Config } from '../../config.ts';
import type { Dataset } from '../../datasets/dataset.ts';
import { largeQueueOf } from '../../domain/slots.ts';
import { scheduleId } from '../openRun.ts';
import { ACTIVITY_TASKS, pollersOf, WORKFLOW_TASKS } from '../pollers.ts';
import { rebuildQueue } from '../rebuildQueue.ts';
import { localTime, printable } from '../terminal.ts';
import { isLoopback, type Findings } from './finding.ts';
import { checkLastRun, checkOpenRun, type ProgressOf } from './runs.ts';

/** All of the questions together. */
const ANSWERS_MS = 15_000;

/** Pollers stay listed for minutes after their worker ended; one that is alive asks again within a minute. */
const SILENT_MS = 2 * 60_000;

/** Registered by `migrate`, as keywords: 2 in the API. */
const SEARCH_ATTRIBUTES = ['TidemarkDataset', 'TidemarkWatermark'];
const KEYWORD = 2;

/** What is checked. */
export interface TemporalChecks {
  readonly config: Config;
  readonly datasets: readonly Dataset[];
  /** Connects, or fails within some seconds. */
  readonly connect: () => Promise<Client>;
  /** When a run of the dataset last listed or applied anything, as PostgreSQL has it; `null` where nobody knows. */
  readonly progressOf: ProgressOf;
}

/** Checks server, namespace, Schedules, workers and search attributes. */
export async function checkTemporal(checks: TemporalChecks, findings: Findings): Promise<void> {
  const client = await checks.connect();
  await client.withDeadline(Date.now() + ANSWERS_MS, async () => {
    await checkServer(checks, client, findings);
    for (const dataset of checks.datasets) {
      await checkSchedule(checks.config, client, dataset, findings);
      if (dataset.enabled) await checkOpenRun(client, dataset, checks.progressOf, findings);
    }
    await checkWorkers(checks.config, client, findings);
    await checkSearchAttributes(checks.config, client, findings);
  });
}

async function checkServer({ config }: TemporalChecks, client: Client, findings: Findings): Promise<void> {
  const { namespace, connectionOptions } = config.temporal;
  const { address = 'localhost:7233', tls } = connectionOptions;
  await client.workflowService.describeNamespace({ namespace });
  const place = `${printable(address)}, namespace ${printable(namespace)}`;
  if (tls) findings.add('temporal.connection', 'ok', `${place}, over TLS`);
  else if (isLoopback(address.replace(/:\d+$/, ''))) {
    findings.add('temporal.connection', 'ok', `${place}, on this machine without TLS`);
  } else {
    const mend = 'Set TEMPORAL_TLS=true, and TEMPORAL_TLS_* as the server wants';
    findings.add(
      'temporal.connection',
      'warning',
      `${place}, without TLS: anybody between can start runs`,
      mend,
    );
  }
}

async function checkSchedule(
  config: Config,
  client: Client,
  dataset: Dataset,
  findings: Findings,
): Promise<void> {
  const { name, enabled } = dataset;
  const check = `temporal.schedule.${name}`;
  const id = scheduleId(name);
  const description = await describe(client, id);
  if (!description) {
    if (enabled)
      findings.add(check, 'problem', `there is no Schedule ${id}`, `tidemark schedule apply ${name}`);
    else findings.add(check, 'ok', `${name} is not enabled, and has no Schedule`);
    return;
  }
  if (!enabled) {
    const what = `${id} starts runs, though ${name} is not enabled`;
    return findings.add(check, 'warning', what, `tidemark schedule delete ${name}`);
  }
  const { state, info } = description;
  const before = findings.list.length;
  if (state.paused) {
    const why = state.note ? ` (${printable(state.note)})` : '';
    findings.add(check, 'warning', `${id} is paused${why}`, `tidemark schedule resume ${name}`);
  }
  for (const what of differences(config, dataset, description)) {
    findings.add(check, 'warning', `${id} ${what}`, `tidemark schedule apply ${name}`);
  }
  await checkLastRun(client, dataset, description, findings);
  if (findings.list.length > before) return;
  const next = localTime(info.nextActionTimes[0], dataset.timeZone);
  const last = localTime(info.recentActions.at(-1)?.takenAt, dataset.timeZone);
  findings.add(check, 'ok', `${id}: ${dataset.cron}; last run ${last}, next ${next} (${dataset.timeZone})`);
}

async function describe(client: Client, id: string): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(id).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** In what a Schedule is not as `schedule apply` would make it. */
function differences(
  config: Config,
  dataset: Dataset,
  { spec, action, policies }: ScheduleDescription,
): string[] {
  // `schedule apply` puts the expression there: the server keeps calendars only.
  const crons = spec.calendars?.map(({ comment }) => comment) ?? [];
  const queue = action.type === 'startWorkflow' ? action.taskQueue : undefined;
  return [
    ...(crons.length === 1 && crons[0] === dataset.cron
      ? []
      : [`has another cron expression than ${dataset.cron}`]),
    ...(spec.timezone === dataset.timeZone ? [] : [`is not in ${dataset.timeZone}`]),
    ...(queue === config.taskQueue
      ? []
      : [`starts runs on another task queue than ${printable(config.taskQueue)}`]),
    ...(policies.overlap === 'SKIP' ? [] : ['does not skip a run while one is open']),
  ];
}

async function checkWorkers(config: Config, client: Client, findings: Findings): Promise<void> {
  const check = 'temporal.workers';
  const { taskQueue } = config;
  const asked = [
    ['workflow', WORKFLOW_TASKS],
    ['activity', ACTIVITY_TASKS],
  ] as const;
  const alive = await Promise.all(asked.map(([, type]) => countAlive(client, taskQueue, type)));
  const workers = Math.max(...alive);
  const missing = asked.filter((_one, i) => alive[i] === 0);
  const place = `task queue ${printable(taskQueue)}`;
  if (missing.length > 0) {
    const what = `nobody has taken ${missing.map(([tasks]) => tasks).join(' and ')} tasks from the ${place} for 2 minutes`;
    findings.add(check, 'problem', what, 'npm run worker, with the same TIDEMARK_TASK_QUEUE');
  } else {
    findings.add(check, 'ok', `${place}: ${workers} ${workers === 1 ? 'worker' : 'workers'}`);
    await checkLargeFiles(client, largeQueueOf(taskQueue), findings);
  }
  const rebuilders = await countAlive(client, rebuildQueue(taskQueue), WORKFLOW_TASKS);
  if (rebuilders > 0) findings.add('temporal.rebuilder', 'ok', `${place}: a rebuilder`);
  else findings.add('temporal.rebuilder', 'note', 'no rebuilder runs; only tidemark rebuild needs one');
}

/** A worker that has its slots for large files full asks for none: that is no problem. */
async function checkLargeFiles(client: Client, queue: string, findings: Findings): Promise<void> {
  const check = 'temporal.largeFiles';
  const place = `task queue ${printable(queue)}`;
  if ((await countAlive(client, queue, ACTIVITY_TASKS)) > 0) findings.add(check, 'ok', place);
  else {
    const what = `nobody has asked the ${place} for large files for 2 minutes: the workers load some, or are of an older version`;
    findings.add(check, 'note', what, 'Where no large file is loading, start the workers anew');
  }
}

/** Who asks a queue for tasks. */
async function countAlive(client: Client, queue: string, taskQueueType: number): Promise<number> {
  const pollers = await pollersOf(client, queue, taskQueueType);
  return pollers.filter(({ lastAccessTime }) => {
    const seconds = Number(lastAccessTime?.seconds ?? 0);
    return Date.now() - seconds * 1000 < SILENT_MS;
  }).length;
}

async function checkSearchAttributes(config: Config, client: Client, findings: Findings): Promise<void> {
  const check = 'temporal.searchAttributes';
  const mend = 'tidemark migrate registers them, where the server lets it. Runs go on without';
  let found: Record<string, unknown>;
  try {
    const { operatorService } = client.connection as Connection;
    const listed = await operatorService.listSearchAttributes({ namespace: config.temporal.namespace });
    found = listed.customAttributes ?? {};
  } catch {
    // Some servers do not let everybody ask. Nothing depends on it.
    return findings.add(check, 'note', 'the server does not tell its search attributes', mend);
  }
  const missing = SEARCH_ATTRIBUTES.filter((name) => found[name] === undefined);
  const odd = SEARCH_ATTRIBUTES.filter((name) => name in found && found[name] !== KEYWORD);
  if (missing.length > 0) findings.add(check, 'note', `not registered: ${missing.join(', ')}`, mend);
  if (odd.length > 0) findings.add(check, 'warning', `of another type than Keyword: ${odd.join(', ')}`);
  if (missing.length + odd.length > 0) return;
  findings.add(check, 'ok', `${SEARCH_ATTRIBUTES.join(' and ')} are registered`);
}
