/** The worker's connections: `pg`, because no fault of a connection may end the process (docs/decisions/0002). */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { TidemarkFailure } from '../domain/failures.ts';
import type { ZoneHistory } from '../rows/zone.ts';
import type { PostgresAddress } from './address.ts';
import { fromPostgres } from './errors.ts';
import { breakOff, watchStatement } from './liveness.ts';
import type { Queryable } from './queryable.ts';
import {
  failureOf,
  nameOf,
  roundTrip,
  roundTripOfTwo,
  type Answered,
  type Ask,
  type Statement,
} from './roundTrip.ts';
import { readZoneHistory } from './zoneHistory.ts';

/** How long to wait for PostgreSQL before a connection is given up, in milliseconds. */
export interface PoolLimits {
  readonly connectMs: number;
  /** A statement that waits for nobody. */
  readonly queryMs: number;
  /** One that may wait for one lock: longer than the longest `lock_timeout`. */
  readonly preparedMs: number;
  /** One whose length the file decides: longer than the load's `statement_timeout`, which the server keeps. */
  readonly longMs: number;
  /** Between two looks whether such a statement still runs; three that find it does not give it up. */
  readonly lookMs: number;
  /** Such a look: to connect, and to be answered. */
  readonly answerMs: number;
  /** A COPY that takes no bytes, or does not end. */
  readonly stallMs: number;
}

/** A worker's. */
export const POOL_LIMITS: PoolLimits = {
  connectMs: 10_000,
  queryMs: 15_000,
  preparedMs: 45_000,
  longMs: 31 * 60_000,
  lookMs: 30_000,
  answerMs: 5_000,
  stallMs: 60_000,
};

/** Keeps warm connections, with their staging tables, through a run's pauses. */
const IDLE_TIMEOUT_MS = 60_000;
/** A silent connection is probed by TCP after this; ten probes a second apart without an answer end it (libuv's). */
const KEEPALIVE_MS = 15_000;
/** A farewell takes a round trip; a server that is silent gets no longer. */
const FAREWELL_MS = 2_000;

/**
 * What every session sets. A frozen lock holder is freed by `idle_in_transaction_session_timeout`, one whose host is
 * gone by the server's own TCP keepalives.
 */
const SESSION = [
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
  // A file is read within a transaction, whose length the file decides. Servers before 17 have no such limit.
  `do $$ begin perform set_config('transaction_timeout', '0', false); exception when others then null; end $$`,
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
  /** Two of these in one write, the second of which may fail alone: then it gives the failure in place of answers. */
  roundTripOfTwo(
    first: readonly Statement[],
    second: readonly Statement[],
  ): Promise<readonly [readonly Answered[], readonly Answered[] | TidemarkFailure]>;
  /** What this connection is known to hold, until it is closed. */
  readonly memory: Map<string, number>;
  /** How many rows tables have, as far as one of the pool's connections has seen (`keptPlan.ts`). */
  readonly rows: Map<string, number>;
  /** How long a COPY may take no bytes, milliseconds. */
  readonly stallMs: number;
}

/** The pool. */
export interface Pool extends Queryable {
  /**
   * Lends a connection. When `work` fails or leaves a transaction open, or the signal aborts, the connection is destroyed,
   * never returned: an aborted COPY or an open transaction must not reach the next borrower.
   */
  withSession<T>(signal: AbortSignal | undefined, work: (session: Session) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/** @param size the most connections open at once, but for the short looks at long statements */
export function createPool(address: PostgresAddress, size: number, limits: PoolLimits = POOL_LIMITS): Pool {
  const connection = {
    // Who looks at PostgreSQL sees how many connections the pool may open, and which are of one pool (`inspect.ts`).
    application_name: `tidemark ${size} ${randomBytes(4).toString('hex')}`,
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database: address.database,
    ssl: address.tls ?? false,
    connectionTimeoutMillis: limits.connectMs,
  };
  const pool = new pg.Pool({
    ...connection,
    max: size,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  // An idle connection that dies is dropped by the pool; the next query opens another. Nothing is lost or to be said.
  pool.on('error', () => undefined);
  const open = new Set<pg.PoolClient>();
  const breaks = new WeakMap<pg.PoolClient, Error>();
  pool.on('connect', (client) => {
    open.add(client);
    // One that dies between two queries has no one else to tell; the next query says why (`within`).
    client.on('error', (error) => breaks.has(client) || breaks.set(client, error));
  });
  pool.on('remove', (client) => open.delete(client));
  const look = {
    ...connection,
    application_name: 'tidemark-look',
    connectionTimeoutMillis: limits.answerMs,
    query_timeout: limits.answerMs,
  };
  const lender: Lender = {
    pool,
    rules: { pool: { rows: new Map() }, breaks, limits, look },
    facts: new WeakMap(),
  };
  return {
    withSession: (signal, work) => lend(lender, signal, work),
    query: (text, values) => lend(lender, undefined, (session) => session.query(text, values)),
    end: async () => {
      await pool.end();
      const late = setTimeout(() => open.forEach(breakOff), FAREWELL_MS);
      while (open.size > 0) await new Promise((resolve) => pool.once('remove', resolve));
      clearTimeout(late);
    },
  };
}

interface Lender {
  readonly pool: pg.Pool;
  readonly rules: SessionRules;
  readonly facts: WeakMap<pg.PoolClient, SessionFacts>;
}

/** See `Pool.withSession`. */
async function lend<T>(
  { pool, rules, facts }: Lender,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const client = await borrow(pool);
  let failed = true;
  const abort = (): void => breakOff(client);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    signal?.throwIfAborted();
    const known = facts.get(client) ?? (await beginSession(client, rules));
    facts.set(client, known);
    const result = await work(createSession(client, known));
    // An error that `work` took for an answer may have left a transaction behind.
    failed = (signal?.aborted ?? false) || client.getTransactionStatus() !== 'I';
    return result;
  } finally {
    signal?.removeEventListener('abort', abort);
    client.release(failed);
    if (failed) setTimeout(breakOff, FAREWELL_MS, client).unref();
  }
}

async function borrow(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw fromPostgres(error);
  }
}

/** How a pool's sessions ask, and what they share. */
interface SessionRules {
  readonly pool: { zone?: ZoneHistory; readonly rows: Map<string, number> };
  /** What broke a connection first, as the server or the socket said it. */
  readonly breaks: WeakMap<pg.PoolClient, Error>;
  readonly limits: PoolLimits;
  /** How to look at a statement from outside. */
  readonly look: pg.ClientConfig;
}

/** What is known of a connection. */
interface SessionFacts extends SessionRules {
  readonly memory: Map<string, number>;
  readonly pid: number;
}

async function beginSession(client: pg.PoolClient, rules: SessionRules): Promise<SessionFacts> {
  const session = createSession(client, { ...rules, memory: new Map(), pid: 0 });
  await session.query(SESSION);
  const [row] = await session.query<{ pid: number }>(`select pg_backend_pid() as pid`);
  return { ...rules, memory: new Map(), pid: row?.pid ?? 0 };
}

type Config = pg.QueryConfig & { query_timeout: number };

/** Asks by the driver, which gives up after a time. @param broken what has broken the connection, if anything */
async function within<T>(timeoutMs: number, broken: () => Error | undefined, ask: Ask<T>): Promise<T> {
  const begun = performance.now();
  try {
    return await ask(timeoutMs);
  } catch (error) {
    // The driver's own time-out has no code to know it by, and neither has its refusal to ask by a broken connection.
    const isInTime = performance.now() - begun < timeoutMs - 1;
    if (isInTime || error instanceof pg.DatabaseError) throw failureOf(error, broken);
    throw new TidemarkFailure(
      'Stalled',
      `PostgreSQL did not answer within ${Math.round(timeoutMs / 1000)} s`,
    );
  }
}

/** Asks what may take long, and looks from outside whether it still runs. */
async function watched<T>(
  client: pg.PoolClient,
  { limits, look, pid, breaks }: SessionFacts,
  ask: Ask<T>,
): Promise<T> {
  let lost = false;
  const unwatch = watchStatement({
    connection: look,
    pid,
    everyMs: limits.lookMs,
    onLost: () => {
      lost = true;
      breakOff(client);
    },
  });
  try {
    return await within(limits.longMs, () => breaks.get(client), ask);
  } catch (error) {
    throw lost ? new TidemarkFailure('Stalled', 'PostgreSQL is silent, or its answer was lost') : error;
  } finally {
    unwatch();
  }
}

function createSession(client: pg.PoolClient, facts: SessionFacts): Session {
  const { limits, memory } = facts;
  const run =
    <Row extends object>(text: string, values?: readonly unknown[], name?: string) =>
    async (query_timeout: number): Promise<Row[]> => {
      const config: Config = {
        text,
        ...withValues(values),
        ...(name !== undefined && { name }),
        query_timeout,
      };
      return (await client.query<Row>(config)).rows;
    };
  const broken = (): Error | undefined => facts.breaks.get(client);
  const session: Session = {
    client,
    memory,
    rows: facts.pool.rows,
    stallMs: limits.stallMs,
    zone: async () => (facts.pool.zone ??= await readZoneHistory(session)),
    query: (text, values) => within(limits.queryMs, broken, run(text, values)),
    queryLong: (text, values) => watched(client, facts, run(text, values)),
    queryPrepared: (text, values) => within(limits.preparedMs, broken, run(text, values, nameOf(text))),
    roundTrip: (statements) => within(limits.preparedMs, broken, roundTrip(client, statements)),
    roundTripLong: (statements) => watched(client, facts, roundTrip(client, statements)),
    roundTripOfTwo: (first, second) => watched(client, facts, roundTripOfTwo(client, broken, first, second)),
  };
  return session;
}

/** Without values a text may hold several statements. */
function withValues(values: readonly unknown[] | undefined): { values?: unknown[] } {
  return values === undefined ? {} : { values: [...values] };
}
