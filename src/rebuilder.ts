#!/usr/bin/env node
/**
 * The rebuilder: a worker for rebuilds alone, on a task queue of its own and under a login of its own. It is needed only
 * while a rebuild runs.
 */

import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createRebuildActivities } from './activities/rebuildActivities.ts';
import { exitWithProblem } from './client/problem.ts';
import { rebuildQueue } from './client/rebuildQueue.ts';
import { readConfig, type Config } from './config.ts';
import { checkDatasets } from './datasets/checkDatasets.ts';
import { DATASETS, SHADOWS } from './datasets/index.ts';
import { installRuntime } from './monitoring/runtime.ts';
import { createPool } from './postgres/pool.ts';
import { createObjectStores } from './s3/createObjectStores.ts';

/** Rebuilds side by side, of different datasets; each takes two connections. */
const MAX_REBUILDS = 2;

const SHUTDOWN_GRACE = '20 seconds';

/** A cancellation reaches an attempt with the answer to a heartbeat. */
const HEARTBEAT_THROTTLE = '2 seconds';

async function work(config: Config): Promise<void> {
  await installRuntime({ metrics: false, log: process.stderr.isTTY ? 'plain' : 'json' });
  const store = createObjectStores(config.s3, DATASETS);
  const pool = createPool(config.postgres, MAX_REBUILDS * 2);
  try {
    await pool.query('select 1');
    const connection = await NativeConnection.connect(config.temporal.connectionOptions);
    try {
      // Asked first: a worker that is created without its namespace keeps the process from ending.
      await connection.workflowService.describeNamespace({ namespace: config.temporal.namespace });
      await rebuild(
        config,
        connection,
        createRebuildActivities({ datasets: [...DATASETS, ...SHADOWS], store, pool }),
      );
    } finally {
      await connection.close();
    }
  } finally {
    store.destroy();
    await pool.end();
    // Without a worker nobody else ends it, and its log keeps the process from ending.
    await Runtime.instance().shutdown();
  }
}

async function rebuild(
  config: Config,
  connection: NativeConnection,
  activities: ReturnType<typeof createRebuildActivities>,
): Promise<void> {
  const worker = await Worker.create({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: rebuildQueue(config.taskQueue),
    ...workflowCode(),
    activities,
    maxConcurrentActivityTaskExecutions: MAX_REBUILDS,
    shutdownGraceTime: SHUTDOWN_GRACE,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
  });
  await worker.run();
}

/** The bundle made by the build; run from the sources, the rebuilder bundles for itself. */
function workflowCode(): Pick<WorkerOptions, 'workflowBundle'> | Pick<WorkerOptions, 'workflowsPath'> {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  return import.meta.url.endsWith('.ts')
    ? { workflowsPath: path('./workflows/index.ts') }
    : { workflowBundle: { codePath: path('./workflow-bundle.js') } };
}

let config: Config | undefined;
try {
  checkDatasets([...DATASETS, ...SHADOWS]);
  config = readConfig();
  await work(config);
} catch (error) {
  exitWithProblem(error, config);
}
