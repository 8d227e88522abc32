/** A database and a bucket with a proxy before each server, and what an undisturbed run makes of the same files. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { createActivities } from '../../../src/activities/index.ts';
import type { Deps } from '../../../src/activities/deps.ts';
import type { Dataset } from '../../../src/datasets/dataset.ts';
import { inc } from '../../../src/datasets/inc.ts';
import { parseDatabaseUrl } from '../../../src/postgres/address.ts';
import { openDatabase, type Database } from '../../../src/postgres/database.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { createPool, POOL_LIMITS, type PoolLimits } from '../../../src/postgres/pool.ts';
import { createObjectStore, type ObjectStoreOptions } from '../../../src/s3/createObjectStore.ts';
import type { ingestDataset } from '../../../src/workflows/ingestDataset.ts';
import type { IngestResult } from '../../../src/workflows/run.ts';
import { createWorkers } from '../../../src/workers.ts';
import { DEFAULT_LOADS } from '../../../src/domain/slots.ts';
import { databaseUrl, ownerOf, shared, TEMPLATE, type Shared } from '../shared.ts';
import { until, within } from './deadline.ts';
import { startPostgresProxy, type PostgresProxy } from './postgresProxy.ts';
import { startS3Proxy, type S3Proxy } from './s3Proxy.ts';
import { socketsHeld } from './sockets.ts';

/** The worker's own limits are minutes; a tenth of them shows the same. */
export const SHORT_LIMITS: PoolLimits = {
  connectMs: 1_000,
  queryMs: 1_000,
  preparedMs: 1_500,
  longMs: 60_000,
  lookMs: 300,
  answerMs: 1_000,
  stallMs: 1_500,
};

/** A run of the workflow that takes longer hangs, and is terminated. */
const RUN_MS = 60_000;

/** Ends that are under way come within this. */
const LEFT_MS = 10_000;

/** The most connections of a worker here. */
const POOL_SIZE = 4;

/** What a ground is made of; by default the suite's servers. */
export interface GroundOptions {
  /** A PostgreSQL of the test's own, as its superuser. */
  readonly postgresUrl?: string;
  readonly limits?: PoolLimits;
  readonly store?: Partial<ObjectStoreOptions>;
  readonly dataset?: Dataset;
}

/** For suites that harm S3 alone: nothing but the harm fails, however busy the machine is. */
export const PATIENT: GroundOptions = { limits: POOL_LIMITS, store: { stallMs: 3_000, requestMs: 3_000 } };

/** All that must not differ from an undisturbed run's: all but times, run ids and row numbers. */
export interface State {
  /** Each row as text: thousands of them are compared after each step. */
  readonly table: readonly string[];
  readonly ledger: readonly object[];
  readonly openFailures: readonly object[];
  readonly archiveDebt: number;
  /** Key to ETag. */
  readonly bucket: Readonly<Record<string, string>>;
}

export type Files = Readonly<Record<string, string | Buffer>>;

/** Opens a ground. It must be closed. */
export async function openGround(options: GroundOptions = {}): Promise<Ground> {
  const parts = await shared();
  const name = `f${randomBytes(6).toString('hex')}`;
  const url = options.postgresUrl ? withDatabase(options.postgresUrl, name) : databaseUrl(parts.stack, name);
  if (options.postgresUrl) {
    const admin = openDatabase(parseDatabaseUrl(options.postgresUrl));
    await admin.query(`create database ${name}`);
    await admin.end();
  } else {
    await parts.admin.unsafe(`create database ${name} template ${TEMPLATE} owner ${ownerOf(parts.stack)}`);
  }
  const db = openDatabase(parseDatabaseUrl(url));
  if (options.postgresUrl) await migrate(db);
  const ground = new Ground({
    parts,
    name,
    url,
    db,
    postgres: await startPostgresProxy(Number(new URL(url).port)),
    s3: await startS3Proxy(parts.stack.env['AWS_ENDPOINT_URL_S3'] ?? ''),
    options,
  });
  await ground.client.send(new CreateBucketCommand({ Bucket: name }));
  return ground;
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

interface GroundParts {
  readonly parts: Shared;
  readonly name: string;
  readonly url: string;
  readonly db: Database;
  readonly postgres: PostgresProxy;
  readonly s3: S3Proxy;
  readonly options: GroundOptions;
}

export class Ground {
  readonly name: string;
  /** Reaches PostgreSQL without the proxy. */
  readonly db: Database;
  readonly postgres: PostgresProxy;
  readonly s3: S3Proxy;
  /** Reaches S3 without the proxy. */
  readonly client = new S3Client({ forcePathStyle: true });
  /** DATABASE_URL, without the proxy. */
  readonly url: string;
  deps: Deps;
  readonly #shared: Shared;
  readonly #options: GroundOptions;
  readonly #dataset: Dataset;
  #files: Files = {};
  #runs = 0;

  constructor({ parts, name, url, db, postgres, s3, options }: GroundParts) {
    this.name = name;
    this.url = url;
    this.db = db;
    this.postgres = postgres;
    this.s3 = s3;
    this.#shared = parts;
    this.#options = options;
    this.#dataset = options.dataset ?? inc;
    this.deps = this.#open();
  }

  /** DATABASE_URL through the proxy. */
  get proxiedUrl(): string {
    const url = new URL(this.url);
    url.port = String(this.postgres.port);
    return url.href;
  }

  #open(): Deps {
    return {
      datasets: [this.#dataset],
      pool: createPool(parseDatabaseUrl(this.proxiedUrl), POOL_SIZE, this.#options.limits ?? SHORT_LIMITS),
      store: createObjectStore({
        bucket: this.name,
        forcePathStyle: true,
        endpoint: this.s3.endpoint,
        maxAttempts: 1,
        stallMs: 1_000,
        requestMs: 1_000,
        copyMs: 2_000,
        ...this.#options.store,
      }),
    };
  }

  /** Begins anew: an empty table and ledger, these files in `changes/`, no harm, no message counted. */
  async reset(files: Files = this.#files): Promise<void> {
    this.#files = files;
    this.postgres.heal();
    this.s3.heal();
    await this.db.query(
      `do $$ begin
         truncate tickets.inc, tickets.import_meta, tickets.import_failures, tickets.import_rejects;
         update tickets.dataset_state set last_checked_at = null, last_listing = '{}';
       end $$`,
    );
    for (const key of Object.keys(await this.#bucket())) {
      await this.client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
    }
    for (const [file, body] of Object.entries(files)) await this.put(file, body);
    this.postgres.count = 0;
    this.s3.count = 0;
  }

  /** Puts an object into `changes/`, or under a whole key. @returns its key */
  async put(file: string, body: string | Buffer): Promise<string> {
    const key = file.includes('/') ? file : this.#dataset.changesPrefix + file;
    const Body = Buffer.from(body);
    await this.client.send(
      new PutObjectCommand({ Bucket: this.name, Key: key, Body, ContentLength: Body.length }),
    );
    return key;
  }

  async remove(key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
  }

  /** A worker that has just been started: connections of its own. */
  async restart(): Promise<void> {
    await this.#shut();
    this.deps = this.#open();
  }

  /** Of the last run of the real workflow. */
  get lastWorkflowId(): string {
    return `${this.name}-${this.#runs}`;
  }

  /** A run of the real workflow on a worker of this process. */
  async runWorkflow(bundle = this.#shared.bundle): Promise<IngestResult> {
    const { native, temporal } = this.#shared;
    this.#runs += 1;
    const worker = await createWorkers(
      {
        connection: native,
        taskQueue: this.name,
        workflowBundle: bundle,
        activities: createActivities(this.deps),
        shutdownGraceTime: '5 seconds',
        maxHeartbeatThrottleInterval: '2 seconds',
        defaultHeartbeatThrottleInterval: '2 seconds',
      },
      DEFAULT_LOADS,
    );
    const done = worker.run();
    try {
      const handle = await temporal.workflow.start<typeof ingestDataset>('ingestDataset', {
        args: [{ dataset: this.#dataset.name }],
        taskQueue: this.name,
        workflowId: this.lastWorkflowId,
      });
      const late = setTimeout(() => void handle.terminate('hung'), RUN_MS);
      try {
        return await handle.result();
      } finally {
        clearTimeout(late);
      }
    } finally {
      worker.shutdown();
      await done;
    }
  }

  async state(): Promise<State> {
    const only = async <Row = object>(text: string): Promise<Row[]> =>
      (await this.db.query<{ row: Row }>(text)).map(({ row }) => row);
    const [status] = await this.db.query<{ debt: number }>(
      `select archive_debt::int as debt from tickets.dataset_status where dataset = 'inc'`,
    );
    return {
      table: await only<string>(
        `select (to_jsonb(t) - 'loaded_at')::text as row from tickets.inc t order by ticket_id`,
      ),
      ledger: await only(
        `select to_jsonb(m) - '{id,imported_at,archived_at,metadata}'::text[] || jsonb_build_object(
           'archived', archived_at is not null, 'metadata', metadata - '{seconds,workflow_id,run_id}'::text[]) as row
         from tickets.import_meta m order by id`,
      ),
      openFailures: await only(
        `select to_jsonb(f) as row from tickets.import_failures f where resolved_at is null`,
      ),
      archiveDebt: status?.debt ?? -1,
      bucket: await this.#bucket(),
    };
  }

  async #bucket(): Promise<Record<string, string>> {
    const { Contents = [] } = await this.client.send(new ListObjectsV2Command({ Bucket: this.name }));
    return Object.fromEntries(Contents.map(({ Key = '', ETag = '' }) => [Key, ETag]));
  }

  /**
   * Nothing is left behind: no socket of a silent connection, while it is still silent; no transaction is open, each
   * server process belongs to an open connection of the pool, each connection to the pool, no request is under way.
   */
  async nothingLeft(withinMs = LEFT_MS): Promise<void> {
    const held = async (): Promise<boolean> => {
      const sockets = await socketsHeld(this.postgres.port);
      return !this.postgres.silentPorts().some((port) => sockets.has(port));
    };
    await until('the worker holds no silent connection', held, withinMs);
    this.postgres.heal();
    let seen = '';
    const clean = async (): Promise<boolean> => {
      const [row] = await this.db.query<{ open: number; backends: number; states: string }>(
        `select count(*) filter (where xact_start is not null)::int as open, count(*)::int as backends,
           string_agg(application_name || ' ' || state || ': ' || left(query, 60), '; ') as states
         from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
           and application_name <> 'tidemark-client'`,
      );
      seen = `${row?.states}; ${this.postgres.open()} connections, ${this.s3.open()} requests`;
      return (
        row?.open === 0 &&
        row.backends === this.postgres.open() &&
        this.postgres.open() <= POOL_SIZE &&
        this.s3.open() === 0
      );
    };
    await until('nothing is left', clean, withinMs).catch((error: Error) => {
      throw new Error(`${error.message} (${seen})`);
    });
  }

  async #shut(): Promise<void> {
    await within(10_000, 'closing the pool', this.deps.pool.end());
    this.deps.store.destroy();
    await until('all connections to PostgreSQL are closed', () => this.postgres.open() === 0);
    await within(10_000, 'closing the connections to S3', this.s3.allClosed());
  }

  async close(): Promise<void> {
    try {
      await this.#shut();
    } finally {
      await this.postgres.stop();
      await this.s3.stop();
      await this.db.end();
      this.client.destroy();
    }
    if (this.#options.postgresUrl === undefined) {
      await this.#shared.admin.unsafe(`drop database ${this.name} with (force)`);
    }
  }
}

/** Fails where anything differs from what an undisturbed run left. */
export function assertSameState(found: State, undisturbed: State): void {
  const [a, b] = [found.table, undisturbed.table];
  const differing = a.findIndex((row, i) => row !== b[i]);
  // One row is shown: the difference of thousands would take minutes to print.
  assert.deepEqual([a.length, a[differing]], [b.length, b[differing]], 'the table');
  assert.deepEqual({ ...found, table: [] }, { ...undisturbed, table: [] });
}
