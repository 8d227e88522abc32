/** The checks of a dataset's runs: how the last scheduled one ended, and whether an open one gets on. */

import { ApplicationFailure } from '@temporalio/common';
import {
  WorkflowFailedError,
  type Client,
  type ScheduleDescription,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import type { Dataset } from '../../datasets/dataset.ts';
import { FAILURE_KINDS } from '../../domain/failures.ts';
import { missedChecks } from '../../monitoring/missedChecks.ts';
import { findOpenRun } from '../openRun.ts';
import { ago, printable } from '../terminal.ts';
import type { Findings } from './finding.ts';

const BAD_ENDS: ReadonlySet<string> = new Set(['FAILED', 'TIMED_OUT', 'TERMINATED', 'CANCELLED']);

/** Says how the last scheduled run ended, where that is not well: its failure is our own sentence. */
export async function checkLastRun(
  client: Client,
  { name }: Dataset,
  { info }: ScheduleDescription,
  findings: Findings,
): Promise<void> {
  const last = info.recentActions.at(-1)?.action.workflow;
  if (!last) return;
  // A run older than the namespace's retention is forgotten.
  const run = await client.workflow
    .getHandle(last.workflowId)
    .describe()
    .catch(() => undefined);
  if (!run || !BAD_ENDS.has(run.status.name)) return;
  const failure = run.status.name === 'FAILED' ? await failureOf(client, run) : undefined;
  const end = run.status.name.toLowerCase().replace('_', ' ');
  const why = failure ? ` with ${failure.type}: ${printable(failure.message)}` : '';
  const what = `the last scheduled run ended as ${end}: ${printable(last.workflowId)}${why}`;
  const mend =
    failure?.type === 'LedgerBehind'
      ? `tidemark plan ${name}, and docs/operations.md, After a restore of PostgreSQL`
      : `tidemark status ${name}`;
  findings.add(`temporal.schedule.${name}`, 'warning', what, mend);
}

/** Of a failed run; `undefined` where it is none of ours, whose message may be anything. */
async function failureOf(
  client: Client,
  { workflowId, runId }: WorkflowExecutionDescription,
): Promise<ApplicationFailure | undefined> {
  const error: unknown = await client.workflow
    .getHandle(workflowId, runId)
    .result()
    .catch((thrown: unknown) => thrown);
  const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
  return cause instanceof ApplicationFailure && isKind(cause.type) ? cause : undefined;
}

function isKind(type: string | null | undefined): boolean {
  return FAILURE_KINDS.some((kind) => kind === type);
}

/** Times of the schedule that a run may let pass without listing or applying anything. */
const STUCK_AFTER = 10;
/** Where the schedule is that seldom: four times as long as an activity is retried. */
const STUCK_AFTER_MS = 24 * 3_600_000;

/** An activity that is at work heartbeats twice a minute at least, and each attempt is one that was not in vain so far. */
const SILENT_MS = 2 * 60_000;
const FEW_ATTEMPTS = 3;

/** When a run of the dataset last listed or applied anything; `null` where nobody knows. */
export type ProgressOf = (dataset: string) => Promise<Date | null>;

/** Says that a run is open and does not get on. */
export async function checkOpenRun(
  client: Client,
  dataset: Dataset,
  progressOf: ProgressOf,
  findings: Findings,
): Promise<void> {
  const open = await findOpenRun(client, dataset.name);
  if (!open) return;
  const run = await client.workflow.getHandle(open.workflowId, open.runId).describe();
  const progressed = await progressOf(dataset.name);
  const since = new Date(Math.max(run.startTime.getTime(), progressed?.getTime() ?? 0));
  const now = new Date();
  const silentMs = now.getTime() - since.getTime();
  if (missedChecks(dataset, since, now) < STUCK_AFTER && silentMs < STUCK_AFTER_MS) return;
  const activities = run.raw.pendingActivities ?? [];
  if (activities.some((activity) => isAtWork(activity, now))) return;
  const id = printable(open.workflowId);
  const [first] = activities;
  const doing = first
    ? `, in ${printable(first.activityType?.name ?? '')}, attempt ${first.attempt ?? 1}`
    : '';
  findings.add(
    `temporal.run.${dataset.name}`,
    'warning',
    `the run ${id} is open for ${ago((now.getTime() - run.startTime.getTime()) / 1000)}${doing}, and has listed and ` +
      `applied nothing for ${ago(silentMs / 1000)}; while it is open, the Schedule starts no other`,
    `Where workers and servers are well: temporal workflow cancel --workflow-id ${id}, or, where that does not end it ` +
      `within a minute, temporal workflow terminate --workflow-id ${id}. Then tidemark start ${dataset.name} --wait`,
  );
}

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

function isAtWork({ lastHeartbeatTime, attempt }: PendingActivity, now: Date): boolean {
  const heard = Number(lastHeartbeatTime?.seconds ?? 0) * 1000;
  return now.getTime() - heard < SILENT_MS && (attempt ?? 1) <= FEW_ATTEMPTS;
}
