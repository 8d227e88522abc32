#!/usr/bin/env node
/**
 * The rebuilder: a worker for rebuilds alone, on a task queue of its own and under a login of its own. It is needed only
 * while a rebuild runs.
 */

import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createRebuildActivities } from './activities/rebuildActivities.ts';
import { rebuildQueue } from './client/rebuildQueue.ts';
import type { Config } from './config.ts';
import { DATASETS, SHADOWS } from './datasets/index.ts';
import { installRuntime } from './monitoring/runtime.ts';
import { createPool } from './postgres/pool.ts';
import { createObjectStores } from './s3/createObjectStores.ts';
import { boundShutdown, commonOptions, runProcess } from './workerProcess.ts';

/** Rebuilds side by side, of different datasets; each takes two connections. */
const MAX_REBUILDS = 2;

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
    ...commonOptions(),
    activities,
    maxConcurrentActivityTaskExecutions: MAX_REBUILDS,
  });
  boundShutdown();
  await worker.run();
}

await runProcess(work);
