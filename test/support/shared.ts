/** What the whole suite shares: one embedded stack, one workflow bundle, the ear for what is said. */

import { readFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import postgres from 'postgres';
import { startStack, type Stack } from '../../dev/embedded.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { built } from './built.ts';
import { quietRuntime } from './runtime.ts';

/** The shared servers and connections. */
export interface Shared {
  readonly stack: Stack;
  readonly admin: postgres.Sql;
  readonly temporal: Client;
  readonly native: NativeConnection;
  readonly bundle: { readonly code: string };
}

/** A database with the migrations applied, copied for each world. */
export const TEMPLATE = 'tidemark_template';

/** What worker and client log in as: it has the rights of `tidemark_worker` and no others. */
const LOADER = 'loader';

/** What the rebuilder logs in as: it has the rights of `tidemark_rebuilder` and no others. */
const REBUILDER = 'rebuilder';

/** The major version of PostgreSQL that the suite runs on: `TEST_POSTGRES=15 npm test`. */
const POSTGRES =
  process.env['TEST_POSTGRES'] === undefined ? undefined : versionOf(process.env['TEST_POSTGRES']);

let starting: Promise<Shared> | undefined;

/** The shared stack, started by the first who asks. */
export function shared(): Promise<Shared> {
  return (starting ??= start());
}

/** Ends what `shared` started, if anything. */
export async function endShared(): Promise<void> {
  if (!starting) return;
  const { stack, admin, temporal, native } = await starting;
  await admin.end();
  await native.close();
  await temporal.connection.close();
  await stack.stop();
}

/** Whether the stack was ever needed. */
export function sharedOrUndefined(): Promise<Shared> | undefined {
  return starting;
}

function versionOf(text: string): 15 | 16 | 17 | 18 {
  const version = ([15, 16, 17, 18] as const).find((known) => String(known) === text);
  if (version === undefined) throw new Error('TEST_POSTGRES is 15, 16, 17 or 18');
  return version;
}

async function start(): Promise<Shared> {
  quietRuntime();
  const [stack] = await Promise.all([
    startStack(POSTGRES === undefined ? {} : { postgres: { version: POSTGRES } }),
    built(),
  ]);
  // That of the build: to bundle takes as long as to start the servers.
  const bundle = { code: await readFile(new URL('../../dist/workflow-bundle.js', import.meta.url), 'utf8') };
  // The AWS SDK takes endpoint and credentials from the environment.
  Object.assign(process.env, stack.env);
  const admin = postgres(stack.adminDatabaseUrl, { max: 2, onnotice: () => undefined });
  await admin.unsafe(`create database ${TEMPLATE} owner ${ownerOf(stack)}`);
  const db = openDatabase(parseDatabaseUrl(databaseUrl(stack, TEMPLATE)));
  await migrate(db);
  await db.end();
  const { password } = new URL(stack.env['DATABASE_URL'] ?? '');
  // A connection is lost with each refused file: where PostgreSQL can, its login costs next to nothing here.
  await admin.unsafe(
    `select set_config(name, '1', false) from pg_settings where name = 'scram_iterations';
     create role ${LOADER} login password '${password}' in role tidemark_worker;
     create role ${REBUILDER} login password '${password}' in role tidemark_rebuilder;
     reset all`,
  );
  const address = stack.env['TEMPORAL_ADDRESS'] ?? '';
  const temporal = new Client({ connection: await Connection.connect({ address }) });
  const native = await NativeConnection.connect({ address });
  return { stack, admin, temporal, native, bundle };
}

/** The URL of another database of the stack, as its owner: for migrations, and for a test's own look. */
export function databaseUrl(stack: Stack, database: string): string {
  const url = new URL(stack.env['DATABASE_URL'] ?? '');
  url.pathname = `/${database}`;
  return url.href;
}

/** The same as the worker's login. */
export function loaderUrl(stack: Stack, database: string): string {
  const url = new URL(databaseUrl(stack, database));
  url.username = LOADER;
  return url.href;
}

/** The same as the rebuilder's login. */
export function rebuilderUrl(stack: Stack, database: string): string {
  const url = new URL(databaseUrl(stack, database));
  url.username = REBUILDER;
  return url.href;
}

/** The role that owns the databases and their tables. */
export function ownerOf(stack: Stack): string {
  return new URL(stack.env['DATABASE_URL'] ?? '').username;
}
