/** `tickets.alerts` and `tickets.webhook_messages`: what was wrong, and the messages about it. */

import type { Queryable } from './queryable.ts';

/** One thing that is wrong. */
export interface AlertKey {
  readonly dataset: string;
  readonly event: string;
  readonly subject: string;
}

/** Whether this transaction is the only one that looks for edges; it stays so until its end. */
export async function tryWatchLock(tx: Queryable): Promise<boolean> {
  const [row] = await tx.query<{ locked: boolean }>(
    `select pg_try_advisory_xact_lock(hashtext('tidemark alerts')) as locked`,
  );
  return row?.locked ?? false;
}

/** What is open. */
export function openAlerts(tx: Queryable): Promise<AlertKey[]> {
  return tx.query<AlertKey>(`select dataset, event, subject from tickets.alerts where ended_at is null`);
}

/** Opens alerts: each is opened once, however many open it at once. */
export async function openAll(tx: Queryable, alerts: readonly AlertKey[]): Promise<void> {
  await tx.query(
    `insert into tickets.alerts as a (dataset, event, subject)
     select dataset, event, subject
     from jsonb_to_recordset($1::jsonb) as n(dataset text, event text, subject text)
     on conflict (dataset, event, subject) do update set since = clock_timestamp(), ended_at = null
       where a.ended_at is not null`,
    [JSON.stringify(alerts)],
  );
}

/** Ends alerts. */
export async function endAll(tx: Queryable, alerts: readonly AlertKey[]): Promise<void> {
  await tx.query(
    `update tickets.alerts a set ended_at = clock_timestamp()
     from jsonb_to_recordset($1::jsonb) as n(dataset text, event text, subject text)
     where a.dataset = n.dataset and a.event = n.event and a.subject = n.subject and a.ended_at is null`,
    [JSON.stringify(alerts)],
  );
}

/**
 * What stands and was not taken: a message about it was given up so long ago, and it was not told again since. At most one
 * is told again at a time, and each of these may be given up in its turn.
 *
 * @param after seconds
 */
export function untold(tx: Queryable, after: number): Promise<Omit<AlertKey, 'subject'>[]> {
  return tx.query<Omit<AlertKey, 'subject'>>(
    `select distinct a.dataset, a.event
     from tickets.alerts a
     join tickets.webhook_messages m on m.body ->> 'dataset' = a.dataset and m.body ->> 'event' = a.event
     where a.ended_at is null and a.since <= m.created_at and m.body ->> 'status' = 'firing'
       and m.given_up_at < clock_timestamp() - $1::float8 * interval '1 second'
       and not exists (
         select from tickets.webhook_messages r
         where r.body @> jsonb_build_object('dataset', a.dataset, 'event', a.event, 'repeated', true)
           and r.created_at >= m.given_up_at
       )`,
    [after],
  );
}

/** Puts messages into the post. */
export async function post(tx: Queryable, bodies: readonly object[]): Promise<void> {
  await tx.query(
    `insert into tickets.webhook_messages (body)
     select value from jsonb_array_elements($1::jsonb) with ordinality order by ordinality`,
    [JSON.stringify(bodies)],
  );
}

/** A message that this worker is to send. */
export interface DueMessage {
  readonly id: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Since it was posted, milliseconds, and the time, seconds since the epoch: by PostgreSQL's clock, as it was posted. */
  readonly ageMs: number;
  readonly now: number;
  /** This one among them. */
  readonly attempts: number;
}

/**
 * Takes the oldest message that is due. Nobody else gets it for `leaseMs`, which doubles with each attempt up to
 * `longestMs`: the wait before the next attempt, where this one fails or is never heard of again.
 */
export async function takeDue(
  db: Queryable,
  { leaseMs, longestMs }: { readonly leaseMs: number; readonly longestMs: number },
): Promise<DueMessage | undefined> {
  const [message] = await db.query<DueMessage>(
    `update tickets.webhook_messages set attempts = attempts + 1,
       next_at = clock_timestamp() + least($1::float8 * 2 ^ attempts, $2::float8) * interval '1 millisecond'
     where id = (
       select id from tickets.webhook_messages
       where sent_at is null and given_up_at is null and next_at <= clock_timestamp()
       order by next_at, id limit 1 for update skip locked
     )
     returning id, body, attempts,
       extract(epoch from clock_timestamp() - created_at)::float8 * 1000 as "ageMs",
       floor(extract(epoch from clock_timestamp()))::float8 as now`,
    [leaseMs, longestMs],
  );
  return message;
}

/** Notes that a message was taken, or that nobody tries it again. */
export async function settle(
  db: Queryable,
  { id, as }: { readonly id: string; readonly as: 'sent' | 'given up' },
): Promise<void> {
  await db.query(
    `update tickets.webhook_messages set
       sent_at = case when $2 = 'sent' then clock_timestamp() end,
       given_up_at = case when $2 <> 'sent' then clock_timestamp() end
     where id = $1`,
    [id, as],
  );
}

/** How many messages wait. */
export async function countUndelivered(db: Queryable): Promise<number> {
  const [row] = await db.query<{ waiting: number }>(
    `select count(*)::float8 as waiting from tickets.webhook_messages
     where sent_at is null and given_up_at is null`,
  );
  return row?.waiting ?? 0;
}
