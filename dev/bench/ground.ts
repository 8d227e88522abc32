/** What all of the bench stands on: the built product, real servers set up as in production, a directory on a disk. */

import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import { build, tidemark } from '../demo/product.ts';
import { startStack, type Stack } from '../embedded.ts';
import { Yardstick } from './yardstick.ts';

/** Set beside PostgreSQL's defaults, for everybody alike; each with its reason. */
export const SETTINGS: Readonly<Record<string, string>> = {
  // A server of its own has more than the default of 128 MB; the tables fit.
  shared_buffers: '1GB',
  // It would come at a time of its own choosing; tables are vacuumed and analysed before each measurement instead.
  autovacuum: 'off',
};

/** What must be as production has it. */
const DURABLE: Readonly<Record<string, string>> = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  wal_level: 'replica',
};

/** Where everything happens. */
export interface Ground {
  readonly stack: Stack;
  /** Runs statements as the tables' owner. */
  sql<R extends object>(text: string, values?: readonly unknown[]): Promise<R[]>;
  readonly s3: S3Client;
  readonly bucket: string;
  /** For files. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly yardstick: Yardstick;
  close(): Promise<void>;
}

/** No statement of the bench takes longer. */
const STATEMENT_MS = 10 * 60_000;
/** `f_type` of tmpfs in statfs(2). */
const TMPFS = 0x01021994;

/** Builds, starts the servers, sets them up. */
export async function openGround(options: {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}): Promise<Ground> {
  const { signal, onProgress } = options;
  await assertDisk(options.directory);
  onProgress('building');
  await build(signal);
  const stack = await startStack({ directory: options.directory, onProgress });
  try {
    return await setUp(stack, signal);
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** On tmpfs fsync costs nothing, and the figures would flatter everybody. */
async function assertDisk(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  if ((await statfs(directory)).type !== TMPFS) return;
  throw new Error(`${directory} lies in memory: name a directory on a disk with --directory`);
}

async function setUp(stack: Stack, signal: AbortSignal): Promise<Ground> {
  await configure(stack);
  await tidemark(stack, ['migrate'], signal);
  const directory = join(stack.directory, 'bench');
  await mkdir(directory);
  const { env } = stack;
  const s3 = new S3Client({
    endpoint: env['AWS_ENDPOINT_URL_S3'] ?? '',
    region: env['AWS_REGION'] ?? '',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  const owner = await connect(env['DATABASE_URL'] ?? '');
  return {
    stack,
    sql: async <R extends object>(text: string, values: readonly unknown[] = []) => {
      signal.throwIfAborted();
      return values.length > 0
        ? (await owner.query<R>(text, [...values])).rows
        : (await owner.query<R>(text)).rows;
    },
    s3,
    bucket: env['S3_BUCKET'] ?? '',
    directory,
    signal,
    yardstick: new Yardstick(),
    close: async () => {
      s3.destroy();
      await owner.end().catch(() => undefined);
      await stack.stop();
    },
  };
}

async function configure(stack: Stack): Promise<void> {
  const before = await connect(stack.adminDatabaseUrl);
  const owner = new URL(stack.env['DATABASE_URL'] ?? '').username;
  for (const [name, value] of Object.entries(SETTINGS)) {
    await before.query(`alter system set ${name} = '${value}'`);
  }
  await before.query(`grant pg_checkpoint to ${owner}`);
  await before.end();
  // A fast shutdown, so that it comes up at once; some settings want a restart.
  await stack.servers.postgres?.stop('SIGINT');
  await stack.servers.postgres?.start();
  const after = await connect(stack.adminDatabaseUrl);
  for (const [name, wanted] of Object.entries({ ...DURABLE, ...SETTINGS })) {
    const { rows } = await after.query<{ value: string }>(`select current_setting($1) as value`, [name]);
    if (rows[0]?.value !== wanted) throw new Error(`${name} is ${rows[0]?.value}, not ${wanted}`);
  }
  await after.end();
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, query_timeout: STATEMENT_MS });
  // A server that ends under us fails the next query; without a listener it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
