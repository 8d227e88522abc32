/** The worker's connections: `pg`, because no fault of a connection may end the process (docs/decisions/0002). */

import pg from 'pg';
import type { PostgresAddress } from './address.ts';
import { fromPostgres } from './errors.ts';
import type { ZoneHistory } from '../rows/zone.ts';
import type { Queryable } from './queryable.ts';
import { readZoneHistory } from './zoneHistory.ts';
import { RoundTrip, type Answered, type Statement } from './roundTrip.ts';

/** A statement that waits for nobody answers within this, or its connection is given up. */
const QUERY_TIMEOUT_MS = 15_000;
/** One that may wait for a lock: longer than the longest `lock_timeout`. */
const PREPARED_TIMEOUT_MS = 45_000;
/** One whose length the file decides: longer than the load's `statement_timeout`, which the server keeps. */
const LONG_TIMEOUT_MS = 31 * 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Keeps warm connections, with their staging tables, through a run's pauses. */
const IDLE_TIMEOUT_MS = 60_000;

/**
 * What every session sets. A frozen lock holder is freed by `idle_in_transaction_session_timeout`, one whose host is
 * gone by the server's own TCP keepalives.
 */
const SESSION = [
  `set application_name = 'tidemark'`,
  `set timezone = 'Africa/Nairobi'`,
  `set datestyle = 'ISO, YMD'`,
  `set client_encoding = 'UTF8'`,
  `set standard_conforming_strings = on`,
  `set extra_float_digits = 1`,
  // Compiling a plan takes longer than the plans of a load run.
  `set jit = off`,
  `set idle_in_transaction_session_timeout = '30s'`,
  `set tcp_keepalives_idle = 15`,
  `set tcp_keepalives_interval = 5`,
  `set tcp_keepalives_count = 3`,
  // The archive removes a source as soon as its commit is answered: an answer that a crash can take back will not do.
  `do $$ begin if current_setting('synchronous_commit') = 'off' then set synchronous_commit = on; end if; end $$`,
  // A merge whose worker is gone ends within this, not with its statement. Servers on Windows have no such check.
  `do $$ begin perform set_config('client_connection_check_interval', '5s', false); exception when others then null; end $$`,
].join(';');

/** A checked-out connection. */
export interface Session extends Queryable {
  /** The driver's client, for COPY. */
  readonly client: pg.PoolClient;
  /** Runs one statement that may take as long as the load's `statement_timeout`. */
  queryLong<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * A statement parsed and planned once a connection: for statements that run for every small file. Its plan may be the
   * one made for earlier values, so it is not for statements whose cost depends on them.
   */
  queryPrepared<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** What the server knows of the stamps' zone; asked once a pool. */
  zone(): Promise<ZoneHistory>;
  /** Runs statements in one round trip, in their order; the first that fails keeps those behind it from being run. */
  roundTrip(statements: readonly Statement[]): Promise<readonly Answered[]>;
  /** The same where one of them may take as long as the load's `statement_timeout`. */
  roundTripLong(statements: readonly Statement[]): Promise<readonly Answered[]>;
  /** What this connection is known to hold, until it is closed. */
  readonly memory: Map<string, number>;
}

/** The pool. */
export interface Pool extends Queryable {
  /**
   * Lends a connection. When `work` fails, or the signal aborts, the connection is destroyed, never returned: an
   * aborted COPY or an open transaction must not reach the next borrower.
   */
  withSession<T>(signal: AbortSignal | undefined, work: (session: Session) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/** @param size the most connections open at once */
export function createPool(address: PostgresAddress, size: number): Pool {
  const pool = new pg.Pool({
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database: address.database,
    ssl: address.tls ?? false,
    max: size,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  // An idle connection that dies is dropped by the pool; the next query opens another. Nothing is lost or to be said.
  pool.on('error', () => undefined);
  const sessionOn = sessions();

  async function withSession<T>(
    signal: AbortSignal | undefined,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const client = await borrow(pool);
    // A checked-out connection that dies between two queries has no one else to tell.
    const ignore = (): undefined => undefined;
    client.on('error', ignore);
    let failed = true;
    const abort = (): void => destroy(client);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      const session = await sessionOn(client);
      const result = await work(session);
      failed = signal?.aborted ?? false;
      return result;
    } finally {
      signal?.removeEventListener('abort', abort);
      client.removeListener('error', ignore);
      if (failed) client.on('error', ignore);
      client.release(failed);
    }
  }

  return {
    withSession,
    query: (text, values) => withSession(undefined, (session) => session.query(text, values)),
    end: () => pool.end(),
  };
}

/** Makes sessions of one pool's connections; a connection is set up by its first. */
function sessions(): (client: pg.PoolClient) => Promise<Session> {
  const memories = new WeakMap<pg.PoolClient, Map<string, number>>();
  let zone: ZoneHistory | undefined;
  return async (client) => {
    const memory = memories.get(client) ?? new Map<string, number>();
    const queries = createSession(client);
    if (!memories.has(client)) await queries.query(SESSION);
    memories.set(client, memory);
    return { ...queries, memory, zone: async () => (zone ??= await readZoneHistory(queries)) };
  };
}

async function borrow(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw fromPostgres(error);
  }
}

/** Breaks the socket at once: whatever runs on it ends with an error, here and on the server. */
function destroy(client: pg.PoolClient): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy?: () => void } } };
  connection?.stream?.destroy?.();
}

function createSession(client: pg.PoolClient): Omit<Session, 'memory' | 'zone'> {
  type Config = pg.QueryConfig & { query_timeout?: number };
  async function ask<Row extends object>(config: Config): Promise<pg.QueryResult<Row>> {
    try {
      return await client.query<Row>(config);
    } catch (error) {
      throw fromPostgres(error);
    }
  }
  const run = async <Row extends object>(config: Config): Promise<Row[]> => (await ask<Row>(config)).rows;
  return {
    client,
    query: (text, values) => run({ text, ...withValues(values), query_timeout: QUERY_TIMEOUT_MS }),
    queryLong: (text, values) => run({ text, ...withValues(values), query_timeout: LONG_TIMEOUT_MS }),
    queryPrepared: (text, values) =>
      run({ text, ...withValues(values), name: nameOf(text), query_timeout: PREPARED_TIMEOUT_MS }),
    roundTrip: (statements) => roundTrip(client, statements, PREPARED_TIMEOUT_MS),
    roundTripLong: (statements) => roundTrip(client, statements, LONG_TIMEOUT_MS),
  };
}

function roundTrip(
  client: pg.PoolClient,
  statements: readonly Statement[],
  timeout: number,
): Promise<readonly Answered[]> {
  return new Promise((resolve, reject) => {
    client.query(
      new RoundTrip({
        statements,
        nameOf,
        timeout,
        done: (error, answers) => (answers ? resolve(answers) : reject(fromPostgres(error))),
      }),
    );
  });
}

/** Without values a text may hold several statements. */
function withValues(values: readonly unknown[] | undefined): { values?: unknown[] } {
  return values === undefined ? {} : { values: [...values] };
}

const names = new Map<string, string>();

/** A short name for a prepared statement: texts are few, one a dataset and deed. */
function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = `tidemark_${names.size}`;
  names.set(text, name);
  return name;
}
