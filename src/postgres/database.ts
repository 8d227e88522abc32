/**
 * The client's connection: `postgres`, for migrations and verbs. The worker never uses it (docs/decisions/0002).
 */

import postgres from 'postgres';
import { TidemarkFailure } from '../domain/failures.ts';
import type { PostgresAddress } from './address.ts';
import { fromPostgres } from './errors.ts';
import type { Queryable } from './queryable.ts';

/** A connection that also runs transactions. */
export interface Database extends Queryable {
  /** Runs `work` in one transaction: all of it, or nothing. */
  transaction<T>(work: (db: Queryable) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/** The server ends each statement after 60 s; where not even that is heard, the network or the server is silent. */
const STATEMENT_MS = 60_000;
const ANSWER_MS = STATEMENT_MS + 5_000;

/** Opens one connection lazily; a command is short, so everything it asks is bounded. */
export function openDatabase(address: PostgresAddress, answerMs = ANSWER_MS): Database {
  const sql = postgres({
    host: address.host,
    port: address.port,
    user: address.user,
    database: address.database,
    ...(address.password !== undefined && { password: address.password }),
    ...(address.tls && { ssl: address.tls }),
    max: 1,
    connect_timeout: 10,
    onnotice: () => undefined,
    connection: {
      application_name: 'tidemark-client',
      TimeZone: 'Africa/Nairobi',
      statement_timeout: STATEMENT_MS,
    },
  });
  let broken = false;
  const noting = async <T>(asked: Promise<T>): Promise<T> => {
    try {
      return await asked;
    } catch (error) {
      broken ||= error instanceof TidemarkFailure && error.kind === 'PostgresUnavailable';
      throw error;
    }
  };
  return {
    query: (text, values) => noting(answered(sql, answerMs, () => run(sql, text, values))),
    transaction: (work) => noting(transact(sql, answerMs, work)),
    // After its connection broke, postgres.js waits the whole time for a farewell to nobody.
    end: () => sql.end({ timeout: broken ? 0 : 5 }),
  };
}

async function transact<T>(
  sql: postgres.Sql,
  answerMs: number,
  work: (db: Queryable) => Promise<T>,
): Promise<T> {
  try {
    const result = await answered(sql, answerMs, (deadline) =>
      sql.begin(async (tx) => {
        // What the work itself does takes what time it takes; begin, each statement and commit do not.
        const query: Queryable['query'] = (text, values) => deadline.during(() => run(tx, text, values));
        deadline.stop();
        const worked = await work({ query });
        deadline.start();
        return worked;
      }),
    );
    return result as T;
  } catch (error) {
    throw isDriverError(error) ? fromPostgres(error) : error;
  }
}

/** A clock that runs while PostgreSQL is to answer. */
interface Deadline {
  start(): void;
  stop(): void;
  during<T>(ask: () => Promise<T>): Promise<T>;
}

/** Runs `ask` under a deadline: when it passes, the connection is broken off, since postgres.js would wait for ever. */
async function answered<T>(
  sql: postgres.Sql,
  answerMs: number,
  ask: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (): void => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    giveUp = () => {
      void sql.end({ timeout: 0 });
      reject(new TidemarkFailure('Stalled', `PostgreSQL did not answer within ${answerMs / 1000} s`));
    };
  });
  const deadline: Deadline = {
    start: () => void (timer = setTimeout(giveUp, answerMs)),
    stop: () => clearTimeout(timer),
    during: async (ask) => {
      deadline.start();
      try {
        return await ask();
      } finally {
        deadline.stop();
      }
    },
  };
  deadline.start();
  try {
    return await Promise.race([ask(deadline), late]);
  } finally {
    deadline.stop();
  }
}

async function run<Row extends object>(
  sql: postgres.ISql,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    return [...(await sql.unsafe<Row[]>(text, [...values] as postgres.ParameterOrJSON<never>[]))];
  } catch (error) {
    throw fromPostgres(error);
  }
}

/** postgres.js's own errors carry a code; a bug of ours does not, and must not pass for a lost connection. */
function isDriverError(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}
