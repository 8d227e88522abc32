/** A world of a test's own: a migrated database, a bucket, a task queue; and what a user and an exporter do in it. */

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { createActivities } from '../../src/activities/index.ts';
import { createRebuildActivities } from '../../src/activities/rebuildActivities.ts';
import type { Deps } from '../../src/activities/deps.ts';
import { loadFile } from '../../src/activities/loadFile.ts';
import { loadSmallFiles } from '../../src/activities/loadSmallFiles.ts';
import type { LoadFileResult, LoadSmallFilesResult } from '../../src/activities/interface.ts';
import { rebuildQueue } from '../../src/client/rebuildQueue.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { inc } from '../../src/datasets/inc.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { openDatabase, type Database } from '../../src/postgres/database.ts';
import { createPool } from '../../src/postgres/pool.ts';
import { askRebuild, type RebuildRequest } from '../../src/postgres/rebuildRecord.ts';
import { createObjectStore } from '../../src/s3/createObjectStore.ts';
import type { ingestDataset } from '../../src/workflows/ingestDataset.ts';
import type { rebuildDataset } from '../../src/workflows/rebuildDataset.ts';
import type { IngestResult } from '../../src/workflows/run.ts';
import { createWorkers, type Workers } from '../../src/workers.ts';
import { DEFAULT_LOADS, slotsOf } from '../../src/domain/slots.ts';
import { hear } from './hush.ts';
import { databaseUrl, loaderUrl, ownerOf, rebuilderUrl, shared, TEMPLATE, type Shared } from './shared.ts';

/** What a command printed. */
export interface Printed {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An attempt outside Temporal. */
const ATTEMPT = { signal: new AbortController().signal, provenance: {} };

/** Opens a world, on the shared servers where no others are given. It must be closed. */
export async function openWorld(datasets: readonly Dataset[] = [inc], others?: Shared): Promise<World> {
  const parts = others ?? (await shared());
  const name = `w${randomBytes(6).toString('hex')}`;
  await parts.admin.unsafe(`create database ${name} template ${TEMPLATE} owner ${ownerOf(parts.stack)}`);
  // Nothing by right of everybody: what the worker's role has not, it lacks.
  await parts.admin.unsafe(
    `revoke all on database ${name} from public; grant connect, temporary on database ${name} to tidemark_worker, tidemark_rebuilder`,
  );
  const world = new World(parts, name, datasets);
  await world.s3.send(new CreateBucketCommand({ Bucket: name }));
  return world;
}

export class World {
  readonly name: string;
  readonly shared: Shared;
  /** As the owner of the tables: to arrange and to look. */
  readonly db: Database;
  /** All that worker and client work with, as the worker's role. */
  readonly deps: Deps;
  readonly s3 = new S3Client({ forcePathStyle: true });
  readonly env: Readonly<Record<string, string>>;
  readonly #processes: ChildProcess[] = [];
  readonly #workers: { worker: Pick<Workers, 'shutdown' | 'getState'>; done: Promise<void> }[] = [];

  constructor(parts: Shared, name: string, datasets: readonly Dataset[]) {
    this.name = name;
    this.shared = parts;
    const url = loaderUrl(parts.stack, name);
    this.env = { ...parts.stack.env, DATABASE_URL: url, S3_BUCKET: name, TIDEMARK_TASK_QUEUE: name };
    this.db = openDatabase(parseDatabaseUrl(databaseUrl(parts.stack, name)));
    this.deps = {
      datasets,
      pool: createPool(parseDatabaseUrl(url), slotsOf(DEFAULT_LOADS).connections),
      store: createObjectStore({ bucket: name, forcePathStyle: true }),
    };
  }

  /** The URL of the world's database as the owner of the tables. */
  get ownerUrl(): string {
    return databaseUrl(this.shared.stack, this.name);
  }

  get dataset(): Dataset {
    const [first] = this.deps.datasets;
    if (!first) throw new Error('a world has a dataset');
    return first;
  }

  /** Puts an object; a bare file name goes under the dataset's change prefix. @returns its key */
  async put(name: string, body: string | Buffer): Promise<string> {
    const key = name.includes('/') ? name : this.dataset.changesPrefix + name;
    // The length is given because the SDK takes an empty body for a stream of unknown length, and warns.
    const bytes = Buffer.from(body);
    await this.s3.send(
      new PutObjectCommand({ Bucket: this.name, Key: key, Body: bytes, ContentLength: bytes.length }),
    );
    return key;
  }

  /** The same in one part, so that its ETag is another one than that of the same bytes in one piece. */
  async putInParts(name: string, body: string | Buffer): Promise<void> {
    const place = { Bucket: this.name, Key: name.includes('/') ? name : this.dataset.changesPrefix + name };
    const { UploadId } = await this.s3.send(new CreateMultipartUploadCommand(place));
    const part = { ...place, UploadId, PartNumber: 1, Body: Buffer.from(body) };
    const { ETag } = await this.s3.send(new UploadPartCommand(part));
    const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] };
    await this.s3.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload }));
  }

  async remove(key: string): Promise<void> {
    await this.s3.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
  }

  /** All keys of the bucket, under a prefix, in order. */
  async keys(prefix = ''): Promise<string[]> {
    const page = await this.s3.send(new ListObjectsV2Command({ Bucket: this.name, Prefix: prefix }));
    return (page.Contents ?? []).map((object) => object.Key ?? '');
  }

  async content(key: string): Promise<Buffer> {
    const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.name, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  /** Loads one file as the activity does, without Temporal. */
  async load(key: string): Promise<LoadFileResult> {
    const etag = (await this.deps.store.head({ key }))?.etag ?? '';
    return loadFile(this.deps, { dataset: this.dataset.name, key, etag, mode: 'inOrder' }, ATTEMPT);
  }

  /** Goes on with a pool of so many connections. */
  async limitPool(connections: number): Promise<void> {
    await this.deps.pool.end();
    const pool = createPool(parseDatabaseUrl(this.env['DATABASE_URL'] ?? ''), connections);
    Object.assign(this.deps, { pool });
  }

  /** Tries to load small files as the local activity does. */
  async loadSmall(...keys: string[]): Promise<LoadSmallFilesResult> {
    const files = await Promise.all(
      keys.map(async (key) => {
        const etag = (await this.deps.store.head({ key }))?.etag ?? '';
        return { key, etag, mode: 'inOrder' } as const;
      }),
    );
    return loadSmallFiles(this.deps, { dataset: this.dataset.name, files }, ATTEMPT);
  }

  /** Puts and loads. */
  async putAndLoad(name: string, body: string | Buffer): Promise<LoadFileResult> {
    return this.load(await this.put(name, body));
  }

  /** Starts a worker of this world in the process. */
  async work(loads = DEFAULT_LOADS, connection = this.shared.native): Promise<Workers> {
    const options = {
      connection,
      taskQueue: this.name,
      workflowBundle: this.shared.bundle,
      activities: createActivities(this.deps),
      shutdownGraceTime: '5 seconds',
      maxHeartbeatThrottleInterval: '2 seconds',
      defaultHeartbeatThrottleInterval: '2 seconds',
    } as const;
    const worker = await createWorkers(options, loads);
    this.#workers.push({ worker, done: worker.run() });
    return worker;
  }

  /** Starts a rebuilder of this world in the process, under a login that has the rights of `tidemark_rebuilder` alone. */
  async rebuildWork(datasets = this.deps.datasets): Promise<Worker> {
    const pool = createPool(parseDatabaseUrl(rebuilderUrl(this.shared.stack, this.name)), 4);
    const worker = await Worker.create({
      connection: this.shared.native,
      taskQueue: rebuildQueue(this.name),
      workflowBundle: this.shared.bundle,
      activities: createRebuildActivities({ ...this.deps, datasets, pool }),
      shutdownGraceTime: '5 seconds',
      maxHeartbeatThrottleInterval: '2 seconds',
      defaultHeartbeatThrottleInterval: '2 seconds',
    });
    const done = worker.run().then(async () => pool.end());
    this.#workers.push({ worker, done });
    return worker;
  }

  /** Begins a rebuild as the verb does; `agreed` not to wait for the signal `decide`. */
  async startRebuild({
    agreed,
    ...wanted
  }: Partial<RebuildRequest> & { readonly agreed?: true }): Promise<
    WorkflowHandleWithFirstExecutionRunId<typeof rebuildDataset>
  > {
    const { name: dataset } = this.dataset;
    const request = { dataset, removes: false, who: 'me', reason: 'looks wrong', ...wanted };
    const rebuild = await askRebuild(this.deps.pool, request);
    return this.shared.temporal.workflow.start<typeof rebuildDataset>('rebuildDataset', {
      args: [{ dataset, rebuild, ...(agreed && { agreed }) }],
      taskQueue: rebuildQueue(this.name),
      workflowId: `${this.name}-rebuild`,
    });
  }

  /** Starts a rebuilder of this world in a process of its own. */
  rebuildProcess(): ChildProcess {
    const DATABASE_URL = rebuilderUrl(this.shared.stack, this.name);
    return this.workProcess({ ...this.env, DATABASE_URL }, 'dist/rebuilder.js');
  }

  /** Starts a worker of this world in a process of its own. */
  workProcess(env = this.env, program = 'dist/worker.js'): ChildProcess {
    const child = spawn(process.execPath, [program], this.#spawnOptions(env));
    child.stdout?.on('data', (data: Buffer) => hear(data.toString()));
    child.stderr?.on('data', (data: Buffer) => hear(data.toString()));
    this.#processes.push(child);
    return child;
  }

  async start(
    workflowId = `${this.name}-run`,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<typeof ingestDataset>> {
    return this.shared.temporal.workflow.start<typeof ingestDataset>('ingestDataset', {
      args: [{ dataset: this.dataset.name }],
      taskQueue: this.name,
      workflowId,
    });
  }

  /** One run to its end, on a worker of this world. */
  async run(): Promise<IngestResult> {
    if (this.#workers.length === 0) await this.work();
    return (await this.start()).result();
  }

  /** The ledger, oldest first. */
  async ledger(): Promise<LedgerRow[]> {
    return this.db.query<LedgerRow>(
      `select export_type as type, source_key as key, rows_read::float8 as read, rows_inserted::float8 as inserted,
         rows_updated::float8 as updated, rows_unchanged::float8 as unchanged, rows_superseded::float8 as superseded,
         rows_stale::float8 as stale, rows_alarm::float8 as alarm, rows_sentinel::float8 as sentinel,
         rows_rejected::float8 as rejected, archived_at is not null as archived, metadata
       from tickets.import_meta where dataset = $1 order by id`,
      [this.dataset.name],
    );
  }

  /** Types a command of the client. */
  async client(...args: string[]): Promise<Printed> {
    return this.command(['dist/client.js', ...args]);
  }

  /** Runs node in the project's root, in this world's environment and no other. */
  async command(args: readonly string[], env: Readonly<Record<string, string>> = this.env): Promise<Printed> {
    const child = spawn(process.execPath, args, this.#spawnOptions(env));
    const out = { stdout: '', stderr: '' };
    child.stdout?.on('data', (data: Buffer) => (out.stdout += data.toString()));
    child.stderr?.on('data', (data: Buffer) => (out.stderr += data.toString()));
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    hear(out.stdout);
    hear(out.stderr);
    return { status, ...out };
  }

  #spawnOptions(env: Readonly<Record<string, string>>): SpawnOptions {
    return {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map(ended));
    for (const { worker, done } of this.#workers) {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await done;
    }
    await this.deps.pool.end();
    this.deps.store.destroy();
    this.s3.destroy();
    await this.db.end();
    await this.shared.admin.unsafe(`drop database ${this.name}`);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}

/** A ledger row in short. */
export interface LedgerRow {
  readonly type: string;
  readonly key: string;
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly stale: number;
  readonly alarm: number;
  readonly sentinel: number;
  readonly rejected: number;
  readonly archived: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}
