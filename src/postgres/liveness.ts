/**
 * Finds out that a long statement's answer will not come: the server is gone without a word, or the statement is over
 * and its answer was lost on the way. TCP keepalives find a host that is gone; nothing but a look from another
 * connection finds a proxy or a pooler that holds the line and passes nothing on.
 */

import pg from 'pg';

/** This many looks in a row must find nothing running: one may meet an answer on its way, or a moment of overload. */
const MISSES = 3;

/** What is watched. */
export interface WatchInput {
  readonly connection: pg.ClientConfig;
  /** Of the server process that runs the statement, as the server numbers it: a pooler's own number is another. */
  readonly pid: number;
  /** Between two looks, milliseconds. */
  readonly everyMs: number;
  /** Called once, at most. */
  onLost(): void;
}

/** Watches a statement until the returned function is called. */
export function watchStatement(input: WatchInput): () => void {
  let misses = 0;
  let ended = false;
  let timer: NodeJS.Timeout;
  const plan = (): void => {
    timer = setTimeout(() => void check(), input.everyMs).unref();
  };
  const check = async (): Promise<void> => {
    const running = await isRunning(input);
    if (ended) return;
    misses = running ? 0 : misses + 1;
    if (misses >= MISSES) input.onLost();
    else plan();
  };
  plan();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

/** Whether the server says so. One that answers with an error (no connection left) is no dead one: it counts as yes. */
async function isRunning({ connection, pid }: WatchInput): Promise<boolean> {
  const client = new pg.Client(connection);
  // It may break at any time; the query below tells.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Without track_activities the state is `disabled` or null. One that waits for its client waits for what was lost.
    const { rows } = await client.query<{ running: boolean }>(
      `select coalesce(state not like 'idle%' and wait_event is distinct from 'ClientRead', true) as running
       from pg_stat_activity where pid = $1`,
      [pid],
    );
    return rows[0]?.running ?? false;
  } catch (error) {
    return error instanceof pg.DatabaseError;
  } finally {
    // Not waited for: a silent server would not answer a farewell either.
    void client.end();
    breakOff(client);
  }
}

/** Closes a connection without waiting for the server: whatever runs on it ends with an error, here and there. */
export function breakOff(client: pg.ClientBase): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy?: () => void } } };
  connection?.stream?.destroy?.();
}
