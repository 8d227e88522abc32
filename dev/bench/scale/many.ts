/** Datasets by the dozen, on the bench's servers: their tables and files, workers that know them, and runs. */

import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { Dataset } from '../../../src/datasets/dataset.ts';
import { inc } from '../../../src/datasets/inc.ts';
import type { IngestResult } from '../../../src/workflows/run.ts';
import { workerCommand } from '../../demo/product.ts';
import { childEnvironment } from '../../embedded.ts';
import { manyDatasets, tablesOf } from '../../sample/manyDatasets.ts';
import { sampleStream } from '../../sample/stream.ts';
import type { Server } from '../../servers/server.ts';
import { emptyBucket, keyAt } from '../files.ts';
import type { Ground } from '../ground.ts';
import { assertPolled } from '../workerRuns.ts';

/** Objects put at once. */
const SIDE_BY_SIDE = 16;

/** What is measured on. */
export interface Side {
  readonly ground: Ground;
  readonly client: Client;
  readonly datasets: readonly Dataset[];
}

/** So many datasets with empty tables, while something is measured on them. */
export async function withDatasets<T>(
  ground: Ground,
  count: number,
  work: (side: Side) => Promise<T>,
): Promise<T> {
  const datasets = manyDatasets(count);
  // Another section may have had some of them.
  await ground.sql(`drop table if exists ${tablesIn(datasets)}; ${tablesOf(datasets)}`);
  const { TEMPORAL_ADDRESS: address = '', TEMPORAL_NAMESPACE: namespace = '' } = ground.stack.env;
  const connection = await Connection.connect({ address });
  try {
    return await work({ ground, datasets, client: new Client({ connection, namespace }) });
  } finally {
    await connection.close();
  }
}

function tablesIn(datasets: readonly Dataset[]): string {
  return datasets.map(({ table }) => `tickets.${table}`).join(', ');
}

/** As before the first file. */
export async function afresh({ ground, datasets }: Side): Promise<void> {
  await emptyBucket(ground);
  await ground.sql(`truncate ${tablesIn(datasets)}`);
  await ground.sql(`delete from tickets.import_meta where dataset = any($1::text[])`, [
    datasets.map(({ name }) => name),
  ]);
}

/** Deltas of 1 to 50 rows. */
export async function bodiesOf(files: number): Promise<readonly Buffer[]> {
  const deltas = Array.from({ length: files }, (_unused, n) => 1 + ((n * 7) % 50));
  return Promise.all(
    sampleStream({ rows: 10_000, deltas })
      .slice(1)
      .map((file) => buffer(file.body())),
  );
}

/** The name of the file that comes at this place. */
export function nameAt(place: number): string {
  return keyAt(place).slice(inc.changesPrefix.length);
}

/** Puts files of these contents under each dataset, the first of them at this place. */
export async function putEach(
  { ground, datasets }: Side,
  bodies: readonly Buffer[],
  from = 0,
): Promise<void> {
  const puts = datasets.flatMap(({ changesPrefix }) =>
    bodies.map((body, n) => ({ key: changesPrefix + nameAt(from + n), body })),
  );
  for (let at = 0; at < puts.length; at += SIDE_BY_SIDE)
    await Promise.all(puts.slice(at, at + SIDE_BY_SIDE).map((one) => put(ground, one)));
}

/** Puts an object. */
export async function put(
  { s3, bucket }: Ground,
  { key, body }: { readonly key: string; readonly body: Buffer },
): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
}

/** Starts a run of a dataset, and waits for its end. */
export async function runOf({ client }: Side, taskQueue: string, { name }: Dataset): Promise<IngestResult> {
  return (await client.workflow.execute('ingestDataset', {
    taskQueue,
    workflowId: `bench-${randomUUID()}`,
    args: [{ dataset: name }],
  })) as IngestResult;
}

/** Starts workers of so many loads on a task queue, which know the side's datasets. */
export async function startWorkers(
  { ground, client, datasets }: Side,
  queue: string,
  count: number,
  loads: number,
): Promise<Server[]> {
  const { stack, directory } = ground;
  const file = join(directory, `${queue}.json`);
  await writeFile(file, JSON.stringify(datasets));
  const { options, env } = await workerCommand();
  const program = fileURLToPath(new URL('manyWorker.js', import.meta.url));
  const workers: Server[] = [];
  for (let n = 0; n < count; n++) {
    workers.push(
      await stack.add({
        name: `worker ${n} of ${queue}`,
        command: process.execPath,
        args: [...options, program, file],
        env: {
          ...childEnvironment(stack),
          ...env,
          TIDEMARK_TASK_QUEUE: queue,
          TIDEMARK_LOADS: String(loads),
        },
        probe: () => assertPolled(client, queue, n + 1),
        stopSignal: 'SIGKILL',
      }),
    );
  }
  return workers;
}
