/** What a verb works with: each server is connected to when a verb first asks for it, and let go at the end. */

import type { Client, Connection } from '@temporalio/client';
import { readConfig, type Config } from '../config.ts';
import { DATASETS } from '../datasets/index.ts';
import { openDatabase, type Database } from '../postgres/database.ts';
import { createPool, type Pool } from '../postgres/pool.ts';
import { createObjectStores } from '../s3/createObjectStores.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import { exitWithProblem, TemporalUnreachable } from './problem.ts';

/** A person waits: a server that does not answer within this cannot be reached. */
const TEMPORAL_CONNECT_MS = 5_000;

/** The servers of the configuration. */
export interface Servers {
  readonly config: Config;
  /** Connects at its first query. */
  readonly db: Database;
  store(): ObjectStore;
  temporal(): Promise<Client>;
  /** The load's own way into PostgreSQL, one connection; for what stages rows. */
  pool(): Pool;
}

/** Runs a verb: reads the configuration, does the work, closes what was opened; an error ends on stderr. */
export async function withServers(work: (servers: Servers) => Promise<void>): Promise<void> {
  let config: Config | undefined;
  const closing: (() => Promise<void>)[] = [];
  try {
    config = readConfig();
    await work(openServers(config, closing));
  } catch (error) {
    exitWithProblem(error, config);
  } finally {
    // A connection that cannot be closed has nothing left to lose.
    await Promise.allSettled(closing.map((close) => close()));
  }
}

function openServers(config: Config, closing: (() => Promise<void>)[]): Servers {
  const db = openDatabase(config.postgres);
  closing.push(() => db.end());
  return {
    config,
    db,
    store: once(() => {
      const store = createObjectStores(config.s3, DATASETS);
      closing.push(async () => store.destroy());
      return store;
    }),
    temporal: once(async () => {
      // Half a second, which a verb that needs no Temporal saves.
      const { Client, Connection } = await import('@temporalio/client');
      const connection = Connection.lazy({
        ...config.temporal.connectionOptions,
        connectTimeout: TEMPORAL_CONNECT_MS,
      });
      closing.push(() => connection.close());
      await connect(connection);
      return new Client({ connection, namespace: config.temporal.namespace });
    }),
    pool: once(() => {
      const pool = createPool(config.postgres, 1);
      closing.push(() => pool.end());
      return pool;
    }),
  };
}

async function connect(connection: Connection): Promise<void> {
  try {
    await connection.ensureConnected();
  } catch (error) {
    throw error instanceof Error && error.name === 'Error' && !('code' in error)
      ? new TemporalUnreachable()
      : error;
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
