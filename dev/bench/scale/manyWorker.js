/**
 * The built worker with the datasets of a file in place of its own: what `dist/worker.js` composes, without monitoring.
 * Plain JavaScript, so that nothing but the build runs in it. Its parent is `sideBySide.ts`.
 */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { NativeConnection } from '@temporalio/worker';

const dist = new URL('../../../dist/', import.meta.url);
const load = async (path) => import(new URL(path, dist).href);
const { createActivities } = await load('activities/index.js');
const { readConfig } = await load('config.js');
const { slotsOf } = await load('domain/slots.js');
const { createPool } = await load('postgres/pool.js');
const { createObjectStore } = await load('s3/createObjectStore.js');
const { createWorkers } = await load('workers.js');

const config = readConfig();
const datasets = JSON.parse(await readFile(process.argv[2], 'utf8'));
const connection = await NativeConnection.connect(config.temporal.connectionOptions);
const workers = await createWorkers(
  {
    connection,
    namespace: config.temporal.namespace,
    taskQueue: config.taskQueue,
    workflowBundle: { codePath: fileURLToPath(new URL('workflow-bundle.js', dist)) },
    activities: createActivities({
      datasets,
      pool: createPool(config.postgres, slotsOf(config.loads).connections),
      store: createObjectStore(config.s3),
    }),
    maxHeartbeatThrottleInterval: '2 seconds',
    defaultHeartbeatThrottleInterval: '2 seconds',
  },
  config.loads,
);
await workers.run();
