/**
 * The client's connection: `postgres`, for migrations and verbs. The worker never uses it (docs/decisions/0002).
 */

import postgres from 'postgres';
import type { PostgresAddress } from './address.ts';
import { fromPostgres } from './errors.ts';
import type { Queryable } from './queryable.ts';

/** A connection that also runs transactions. */
export interface Database extends Queryable {
  /** Runs `work` in one transaction: all of it, or nothing. */
  transaction<T>(work: (db: Queryable) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/** Opens one connection lazily; a command is short, so everything it asks is bounded. */
export function openDatabase(address: PostgresAddress): Database {
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
      statement_timeout: 60_000,
    },
  });
  return {
    query: (text, values) => run(sql, text, values),
    transaction: async <T>(work: (db: Queryable) => Promise<T>): Promise<T> => {
      try {
        const result = await sql.begin((tx) => work({ query: (text, values) => run(tx, text, values) }));
        return result as T;
      } catch (error) {
        throw isDriverError(error) ? fromPostgres(error) : error;
      }
    },
    end: () => sql.end({ timeout: 5 }),
  };
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
