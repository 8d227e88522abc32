#!/usr/bin/env node
/** The worker: configuration → clients → activities → Worker. */

import { setTimeout as delay } from 'node:timers/promises';
import { NativeConnection, Runtime, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from './activities/index.ts';
import { describeProblem } from './client/problem.ts';
import type { Config } from './config.ts';
import { DATASETS, ENABLED, SHADOWS } from './datasets/index.ts';
import { countedStore } from './monitoring/countedStore.ts';
import { startMonitoring, type Monitoring } from './monitoring/index.ts';
import { installRuntime } from './monitoring/runtime.ts';
import { isFinal, TidemarkFailure } from './domain/failures.ts';
import { slotsOf } from './domain/slots.ts';
import { noteSettings } from './postgres/ledger.ts';
import { createPool, type Pool } from './postgres/pool.ts';
import { createObjectStores, inBucketOf } from './s3/createObjectStores.ts';
import { probeConditions } from './s3/probe.ts';
import { checkConnections, checkPrefixes, tellOfTables } from './startChecks.ts';
import { boundShutdown, commonOptions, runProcess } from './workerProcess.ts';
import { createWorkers, type Workers } from './workers.ts';

/** Between two tries to note what a load keeps from being noted. */
const NOTE_AGAIN_MS = 5_000;

async function work(config: Config): Promise<void> {
  const temporalPort = await installRuntime({
    metrics: config.httpPort !== undefined,
    log: process.stderr.isTTY ? 'plain' : 'json',
  });
  const runtime = Runtime.instance();
  try {
    const running: Running = {};
    const monitoring = await startMonitoring({
      config,
      datasets: DATASETS,
      health: {
        worker: () => running.worker?.getState() ?? 'STARTING',
        temporal: () => askTemporal(config, running),
      },
      temporalPort,
      log: runtime.logger,
    });
    try {
      await workMonitored(config, monitoring, running);
    } finally {
      await monitoring.close();
    }
  } finally {
    // Without a worker nobody else ends it, and its log keeps the process from ending.
    await runtime.shutdown();
  }
}

/** What there is of a worker so far. */
interface Running {
  connection?: NativeConnection;
  worker?: Workers;
}

async function workMonitored(
  config: Config,
  { observer, onBytes, drain }: Monitoring,
  running: Running,
): Promise<void> {
  const bare = createObjectStores(config.s3, DATASETS);
  const store = onBytes ? countedStore(bare, onBytes) : bare;
  const pool = createPool(config.postgres, slotsOf(config.loads).connections);
  try {
    const { logger } = Runtime.instance();
    await checkConnections(pool, config.loads, logger);
    await tellOfTables(pool, ENABLED, logger);
    const held = await noteAtStart(pool);
    await checkPrefixes(store, ENABLED, logger);
    const connection = await NativeConnection.connect(config.temporal.connectionOptions);
    running.connection = connection;
    try {
      // Asked first: a worker that is created without its namespace keeps the process from ending.
      await askTemporal(config, running);
      const worker = await createWorkers(
        {
          connection,
          namespace: config.temporal.namespace,
          taskQueue: config.taskQueue,
          ...commonOptions(),
          ...versioning(config),
          activities: createActivities({ datasets: [...DATASETS, ...SHADOWS], store, pool }, observer),
        },
        config.loads,
      );
      running.worker = worker;
      boundShutdown();
      const stopping = new AbortController();
      const ran = worker.run().finally(() => {
        stopping.abort();
        void drain();
      });
      await Promise.all([
        ran,
        warnOfIgnoredConditions(config),
        held && noteHeldSettings(pool, stopping.signal),
      ]);
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

/** Fails where Temporal does not answer, or does not know the namespace. */
async function askTemporal({ temporal: { namespace } }: Config, { connection }: Running): Promise<void> {
  if (!connection) throw new Error('there is no connection yet');
  await connection.workflowService.describeNamespace({ namespace });
}

/**
 * Notes what the datasets' definitions say. @returns whether it is to be tried again: a row is held, or PostgreSQL broke off
 *
 * @throws TidemarkFailure where PostgreSQL refuses it, which a schema that was not migrated does
 */
async function noteAtStart(pool: Pool): Promise<boolean> {
  try {
    return (await noteSettings(pool, DATASETS)) > 0;
  } catch (error) {
    if (error instanceof TidemarkFailure && !isFinal(error.kind)) return true;
    throw error;
  }
}

/** A load may hold a dataset's row for long, that of a worker that was killed for as long as its session lasts. */
async function noteHeldSettings(pool: Pool, stop: AbortSignal): Promise<void> {
  for (let held = true; held && !stop.aborted;) {
    await delay(NOTE_AGAIN_MS, undefined, { signal: stop }).catch(() => undefined);
    // PostgreSQL may be away meanwhile; loads say so.
    if (!stop.aborted) held = await noteSettings(pool, DATASETS).then(Boolean, () => true);
  }
}

/** Archiving relies on the store's conditions: one that ignores them is said once, where the operator looks. */
async function warnOfIgnoredConditions({ s3 }: Config): Promise<void> {
  const archiving = ENABLED.find(({ archive }) => archive);
  if (!archiving) return;
  try {
    const {
      read,
      copySource,
      delete: remove,
    } = await probeConditions(inBucketOf(archiving, s3), { prefix: archiving.processedPrefix });
    const conditions = { 'GET If-Match': read, 'COPY If-Match': copySource, 'DELETE If-Match': remove };
    const unsafe = Object.entries(conditions).filter(([, state]) => state !== 'honoured');
    if (unsafe.length === 0) return;
    const list = unsafe.map(([name, state]) => `${name} is ${state}`).join(', ');
    Runtime.instance().logger.warn(
      `the S3 server does not honour all conditions: ${list}. See docs/checks.md`,
    );
  } catch (error) {
    Runtime.instance().logger.warn(
      `the S3 server's conditions could not be probed: ${describeProblem(error)}`,
    );
  }
}

await runProcess(work);
