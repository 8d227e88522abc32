/** One scenario of faults: a world whose servers can be held up, real workers in it, and what must be true at its end. */

import assert from 'node:assert/strict';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import pg from 'pg';
import { startStack, type Stack } from '../../../dev/embedded.ts';
import { findProgram, TEMPORAL } from '../../../dev/servers/binaries.ts';
import { WORKFLOW_TYPE } from '../../../src/client/openRun.ts';
import type { IngestResult } from '../../../src/workflows/run.ts';
import { openWorld, type World } from '../world.ts';
import { until, within } from './bounds.ts';
import { assertSame, outcomeOf, undisturbedOutcome, type TestFile } from './compare.ts';
import { startPartition, type Partition } from './partition.ts';
import { holdLoads, type HeldLoad, type Step } from './postgresGate.ts';
import { tidemark, type, WorkerProcess, type Typed, type WorkerOptions } from './processes.ts';
import { startS3Gate, type S3Gate } from './s3Gate.ts';

/** A run under faults waits for heartbeat timeouts of 30 s and for workflow task timeouts of 10 s. */
const RUN_MS = 200_000;
/** A backend looks for its client every 5 s. */
const SESSIONS_GONE_MS = 15_000;

/** How a scene is set. */
interface SceneOptions {
  readonly files: readonly TestFile[];
  /** A Temporal server of its own that keeps its state over a restart; default the suite's. */
  readonly ownTemporal?: boolean;
}

export class Scene {
  readonly world: World;
  readonly s3: S3Gate;
  readonly temporal: Client;
  readonly env: Readonly<Record<string, string>>;
  /** The Temporal server of its own. */
  readonly stack: Stack | undefined;
  #files: readonly TestFile[] = [];
  /**
   * As superuser, and not the suite's: there another test's `drop database` may wait, as it does for any backend that
   * waits for the bytes of a COPY.
   */
  readonly #admin: pg.Client;
  readonly #workers: WorkerProcess[] = [];
  readonly #holds: HeldLoad[] = [];
  readonly #partitions: Partition[] = [];
  #runs = 0;

  private constructor(parts: Pick<Scene, 'world' | 's3' | 'temporal' | 'stack'>, admin: pg.Client) {
    this.world = parts.world;
    this.s3 = parts.s3;
    this.temporal = parts.temporal;
    this.stack = parts.stack;
    this.#admin = admin;
    this.env = { ...parts.world.env, ...parts.stack?.env, AWS_ENDPOINT_URL_S3: parts.s3.endpoint };
  }

  /** Opens a world and puts the files. */
  static async open({ files, ownTemporal = false }: SceneOptions): Promise<Scene> {
    const world = await openWorld();
    const s3 = await startS3Gate(world.env['AWS_ENDPOINT_URL_S3'] ?? '');
    const stack = ownTemporal
      ? await startStack({ servers: ['temporal'], temporalOutlivesRestart: true })
      : undefined;
    const address = (stack ?? world.shared.stack).env['TEMPORAL_ADDRESS'] ?? '';
    const temporal = new Client({ connection: await Connection.connect({ address }) });
    const admin = new pg.Client({ connectionString: adminUrl(world) });
    await admin.connect();
    const scene = new Scene({ world, s3, temporal, stack }, admin);
    await scene.put(files);
    return scene;
  }

  /** All files that were put, in order. */
  get files(): readonly TestFile[] {
    return this.#files;
  }

  /** Puts further files. */
  async put(files: readonly TestFile[]): Promise<void> {
    for (const { name, body } of files) await this.world.put(name, body);
    // The first array stays itself: the undisturbed run of it is known.
    this.#files = this.#files.length === 0 ? files : [...this.#files, ...files];
  }

  /** Starts a worker; its environment is the scene's, but for these variables. */
  async work(
    options: WorkerOptions = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<WorkerProcess> {
    const worker = await WorkerProcess.start({ ...this.env, ...env }, options);
    this.#workers.push(worker);
    return worker;
  }

  get workers(): readonly WorkerProcess[] {
    return this.#workers.filter(({ running }) => running);
  }

  /** Starts a run, beside open ones if there are any. */
  async start(): Promise<WorkflowHandle> {
    return this.temporal.workflow.start(WORKFLOW_TYPE, {
      args: [{ dataset: this.world.dataset.name }],
      taskQueue: this.world.name,
      workflowId: `${this.world.name}-${++this.#runs}`,
    });
  }

  /** Waits for the end of a run, which must be a good one. */
  async finished(run: WorkflowHandle): Promise<IngestResult> {
    return within(RUN_MS, `the run ${run.workflowId} ends`, run.result() as Promise<IngestResult>);
  }

  /** Holds the load of a file at a step. */
  async hold(step: Step, key: string): Promise<HeldLoad> {
    const held = await holdLoads({ databaseUrl: adminUrl(this.world), step, key });
    this.#holds.push(held);
    return held;
  }

  /** Types `tidemark <args>` in this scene, which must do it, or say that Temporal did not answer within 5 s. */
  async types(...args: string[]): Promise<void> {
    const typed = await tidemark(args, this.env);
    if (typed.status !== 0) assert.match(typed.stderr, /^tidemark: Temporal at .* cannot be reached/);
  }

  /** Types `temporal workflow <args>` in this scene. */
  async temporalWorkflow(...args: string[]): Promise<Typed> {
    const { surroundings } = this.world.shared.stack;
    const program = await findProgram(TEMPORAL, surroundings);
    const address = this.env['TEMPORAL_ADDRESS'] ?? '';
    const typed = await type(program, ['workflow', ...args, '--address', address], this.env);
    assert.equal(typed.status, 0, typed.stderr);
    return typed;
  }

  /** A way to Temporal that can be cut. */
  async partition(): Promise<Partition> {
    const partition = await startPartition(this.env['TEMPORAL_ADDRESS'] ?? '');
    this.#partitions.push(partition);
    return partition;
  }

  /** Rows of `pg_stat_activity`, of this database, that fulfil a condition. */
  async sessions(condition: string): Promise<number> {
    return (await this.pids(condition)).length;
  }

  /** The server's processes of such sessions. */
  async pids(condition: string): Promise<readonly number[]> {
    const { rows } = await this.#admin.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and (${condition})`,
    );
    return rows.map(({ pid }) => pid);
  }

  /**
   * Ends all workers and looks: each ended well, no session of theirs is left, none is idle in a transaction, and table,
   * ledger, failures and bucket are those of an undisturbed run.
   */
  async isAsUndisturbed(): Promise<void> {
    await this.comesToRest();
    assertSame(await outcomeOf(this.world), await undisturbedOutcome(this.#files));
  }

  /** Ends all workers: each ends well, none has ended by itself before, and no session of theirs is left. */
  async comesToRest(): Promise<void> {
    const ending = this.workers.map(async (worker) => {
      // One that still starts would end by the signal itself.
      await worker.works();
      return worker.end();
    });
    const endings = await Promise.all(ending);
    const crashes = this.#workers.flatMap(({ crashed }) => crashed ?? []);
    assert.deepEqual(
      [...endings.filter((how) => how !== 'status 0'), ...crashes],
      [],
      this.#workers.map(({ said }) => said.slice(-2_000)).join('\n'),
    );
    await until(
      SESSIONS_GONE_MS,
      'no session is left',
      async () =>
        (await this.sessions(`application_name like 'tidemark %' or state like 'idle in transaction%'`)) ===
        0,
    );
  }

  /** Ends what is left, whatever state it is in. The world is still to be closed, when no scene is played any more. */
  async close(): Promise<void> {
    for (const worker of this.#workers) if (worker.running) await worker.kill();
    for (const held of this.#holds) await held.release();
    for (const partition of this.#partitions) await partition.stop();
    await this.temporal.connection.close();
    await this.s3.stop();
    await this.stack?.stop();
    // A scenario that failed may leave sessions, and a database with sessions is not dropped.
    await this.#admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'tidemark %'`,
    );
    await this.#admin.end();
  }
}

function adminUrl(world: World): string {
  const url = new URL(world.shared.stack.adminDatabaseUrl);
  url.pathname = `/${world.name}`;
  return url.href;
}

/** A scenario: its title is a fact. */
export interface Scenario extends SceneOptions {
  readonly title: string;
  /** Whether files are put while it is played: what an undisturbed run gives is found out at its end. */
  readonly grows?: boolean;
  /** Whether only the long form plays it. */
  readonly longOnly?: boolean;
  play(scene: Scene): Promise<void>;
}
