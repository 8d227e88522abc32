/** Finds the edges: what has become wrong since the last look, and what is over. Messages are posted, not sent. */

import type { Dataset } from '../datasets/dataset.ts';
import { conditionsOf, type AlertLimits, type Condition, type DatasetWatch } from '../domain/alerts.ts';
import type { Pool } from '../postgres/pool.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { readWatch } from '../postgres/watch.ts';
import {
  endAll,
  openAlerts,
  openAll,
  post,
  tryWatchLock,
  untold,
  type AlertKey,
} from '../postgres/webhook.ts';
import { messageOf, type Message } from './message.ts';
import { missedChecks } from './missedChecks.ts';

/** What is looked at. */
export interface LookInput {
  readonly pool: Pool;
  readonly datasets: readonly Dataset[];
  readonly limits: AlertLimits;
}

/**
 * Looks once. What it opens, ends and posts is one transaction, and one worker at a time looks: an occurrence is posted
 * once, whatever dies.
 */
export async function lookForAlerts({ pool, datasets, limits }: LookInput): Promise<void> {
  await pool.withSession(undefined, async (session) => {
    await session.query('begin');
    if (await tryWatchLock(session)) await look(session, datasets, limits);
    await session.query('commit');
  });
}

async function look(tx: Queryable, datasets: readonly Dataset[], limits: AlertLimits): Promise<void> {
  const names = datasets.map(({ name }) => name);
  const watches = await readWatch(tx, names);
  const open = await openAlerts(tx);
  const again = await untold(tx, limits.repeatAfter);
  const edges = watches.flatMap((watch) => edgesOf(watch, datasets, { open, again }, limits));
  const opened = edges.flatMap((edge) => edge.opened);
  const ended = edges.flatMap((edge) => edge.ended);
  if (opened.length > 0) await openAll(tx, opened);
  if (ended.length > 0) await endAll(tx, ended);
  const messages = edges.flatMap((edge) => edge.messages);
  if (messages.length > 0) await post(tx, messages);
}

/** What is in `tickets.alerts`, and what of it is to be told again. */
interface Known {
  readonly open: readonly AlertKey[];
  readonly again: readonly Pick<AlertKey, 'dataset' | 'event'>[];
}

interface Edges {
  readonly opened: readonly AlertKey[];
  readonly ended: readonly AlertKey[];
  readonly messages: readonly Message[];
}

function edgesOf(
  watch: DatasetWatch,
  datasets: readonly Dataset[],
  known: Known,
  limits: AlertLimits,
): readonly Edges[] {
  const dataset = datasets.find(({ name }) => name === watch.dataset);
  if (!dataset) return [];
  const { checkedAt, checkAge } = watch;
  const now = new Date((checkedAt?.getTime() ?? 0) + (checkAge ?? 0) * 1000);
  const missed = missedChecks(dataset, checkedAt, now);
  return conditionsOf(watch, missed, limits).map((condition) => {
    const about = (alert: Pick<AlertKey, 'dataset' | 'event'>): boolean =>
      alert.dataset === watch.dataset && alert.event === condition.event;
    return edgeOf(watch.dataset, condition, {
      open: known.open.filter(about),
      again: known.again.filter(about),
    });
  });
}

/** What of a condition is new, or to be told again, what is over; one message for each, however many files it is about. */
function edgeOf(dataset: string, condition: Condition, { open, again }: Known): Edges {
  const { event, subjects, complete } = condition;
  const known = new Set(open.map(({ subject }) => subject));
  const fresh = [...subjects].filter(([subject]) => !known.has(subject));
  const over = complete ? open.filter(({ subject }) => !subjects.has(subject)) : [];
  // Told again, it is all that stands: who took none of the messages does not know which files were in them.
  const repeated = again.length > 0 ? ({ repeated: true } as const) : {};
  const told = (again.length > 0 ? [...subjects] : fresh).map(([, file]) => file);
  return {
    opened: fresh.map(([subject]) => ({ dataset, event, subject })),
    ended: over,
    messages: [
      ...(told.length > 0
        ? [messageOf({ status: 'firing', dataset, condition, files: told, ...repeated })]
        : []),
      ...(over.length > 0
        ? [
            messageOf({
              status: 'resolved',
              dataset,
              condition,
              files: over.map(({ subject }) => fileOf(subject)),
            }),
          ]
        : []),
    ],
  };
}

/** Of a subject the key is before its first space: names of change files have none. */
function fileOf(subject: string): { key: string } | undefined {
  const [key = ''] = subject.split(' ');
  return key === '' ? undefined : { key };
}
