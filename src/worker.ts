#!/usr/bin/env node
/** The worker: configuration → clients → activities → Worker. */

import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from './activities/index.ts';
import { describeProblem, exitWithProblem } from './client/problem.ts';
import { readConfig, type Config } from './config.ts';
import { DATASETS, SHADOWS } from './datasets/index.ts';
import { createPool } from './postgres/pool.ts';
import { createObjectStore } from './s3/createObjectStore.ts';
import { probeConditions } from './s3/probe.ts';

/** Files loaded side by side, each on a connection of its own; each may want two more for small queries. */
const MAX_LOADS = 8;
/** Longer than a load's last statement; what is not done by then is taken up by another worker. */
const SHUTDOWN_GRACE = '20 seconds';

/** A cancellation reaches an attempt with the answer to a heartbeat: the SDK's own limit would hold those back for 24 s. */
const HEARTBEAT_THROTTLE = '2 seconds';

async function work(config: Config): Promise<void> {
  Runtime.install({ shutdownSignals: ['SIGINT', 'SIGTERM', 'SIGQUIT'] });
  const store = createObjectStore(config.s3);
  const pool = createPool(config.postgres, MAX_LOADS * 3);
  try {
    await pool.query('select 1');
    for (const { changesPrefix } of DATASETS) await store.check({ prefix: changesPrefix });
    const connection = await NativeConnection.connect(config.temporal.connectionOptions);
    try {
      // Asked first: a worker that is created without its namespace keeps the process from ending.
      await connection.workflowService.describeNamespace({ namespace: config.temporal.namespace });
      const worker = await Worker.create({
        connection,
        namespace: config.temporal.namespace,
        taskQueue: config.taskQueue,
        ...workflowCode(),
        ...versioning(config),
        activities: createActivities({ datasets: [...DATASETS, ...SHADOWS], store, pool }),
        maxConcurrentActivityTaskExecutions: MAX_LOADS,
        maxConcurrentLocalActivityExecutions: MAX_LOADS,
        shutdownGraceTime: SHUTDOWN_GRACE,
        maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
        defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
      });
      await Promise.all([worker.run(), warnOfIgnoredConditions(config)]);
    } finally {
      await connection.close();
    }
  } finally {
    store.destroy();
    await pool.end();
  }
}

/**
 * Pinned: a run ends by the rules with which it began, those of its dataset too, which live in the worker. It is short,
 * so an old version has soon nothing left to do.
 */
function versioning({ version }: Config): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (!version) return {};
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
  };
}

/** Archiving relies on the store's conditions: one that ignores them is said once, where the operator looks. */
async function warnOfIgnoredConditions({ s3 }: Config): Promise<void> {
  const archiving = DATASETS.find(({ archive }) => archive);
  if (!archiving) return;
  try {
    const {
      read,
      copySource,
      delete: remove,
    } = await probeConditions(s3, { prefix: archiving.processedPrefix });
    const conditions = { 'GET If-Match': read, 'COPY If-Match': copySource, 'DELETE If-Match': remove };
    const unsafe = Object.entries(conditions).filter(([, state]) => state !== 'honoured');
    if (unsafe.length === 0) return;
    const list = unsafe.map(([name, state]) => `${name} is ${state}`).join(', ');
    Runtime.instance().logger.warn(
      `the S3 server does not honour all conditions: ${list}. See docs/operations.md`,
    );
  } catch (error) {
    Runtime.instance().logger.warn(
      `the S3 server's conditions could not be probed: ${describeProblem(error)}`,
    );
  }
}

/** The bundle made by the build; run from the sources, the worker bundles for itself. */
function workflowCode(): { workflowBundle: { codePath: string } } | { workflowsPath: string } {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  return import.meta.url.endsWith('.ts')
    ? { workflowsPath: path('./workflows/index.ts') }
    : { workflowBundle: { codePath: path('./workflow-bundle.js') } };
}

let config: Config | undefined;
try {
  config = readConfig();
  await work(config);
} catch (error) {
  exitWithProblem(error, config);
}
