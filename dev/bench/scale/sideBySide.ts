/** Section g: fifty datasets on 1, 2 and 4 workers; and a small delta beside large files of more datasets than slots. */

import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { Dataset } from '../../../src/datasets/dataset.ts';
import { inc } from '../../../src/datasets/inc.ts';
import { DEFAULT_LOADS } from '../../../src/domain/slots.ts';
import type { IngestResult } from '../../../src/workflows/run.ts';
import { workerCommand } from '../../demo/product.ts';
import { childEnvironment } from '../../embedded.ts';
import { manyDatasets, tablesOf } from '../../sample/manyDatasets.ts';
import { sampleStream } from '../../sample/stream.ts';
import type { Server } from '../../servers/server.ts';
import type { Figure } from '../figure.ts';
import { emptyBucket, keyAt } from '../files.ts';
import type { Ground } from '../ground.ts';
import type { SectionInput } from '../loads.ts';
import { median } from '../statistics.ts';
import { assertPolled } from '../workerRuns.ts';

const DATASETS = 50;
const WORKERS = [1, 2, 4] as const;
/** Files side by side of each of them: four workers of eight would want 96 connections, and PostgreSQL's default has 97. */
const LOADS = 4;
/** Datasets with a large file at once: more than a worker has slots for such. */
const LARGE = 6;
/** Their files, in baselines. */
const LARGE_SCALE = 10;
/** Small deltas beside them, and without them. */
const DELTAS = 10;
/** Linux counts a process's time so, a second. */
const TICKS = 100;

/** What is measured on. */
interface Side {
  readonly ground: Ground;
  readonly client: Client;
  readonly datasets: readonly Dataset[];
}

/** @param size files of each dataset */
export async function sideBySide(input: SectionInput, size: { readonly files: number }): Promise<Figure[]> {
  const { ground } = input;
  const datasets = manyDatasets(DATASETS);
  await ground.sql(tablesOf(datasets));
  const { TEMPORAL_ADDRESS: address = '', TEMPORAL_NAMESPACE: namespace = '' } = ground.stack.env;
  const connection = await Connection.connect({ address });
  const side = { ground, datasets, client: new Client({ connection, namespace }) };
  const figures: Figure[] = [];
  for (const workers of WORKERS) figures.push(...(await throughput(input, side, workers, size.files)));
  figures.push(...(await starvation(input, side)));
  await connection.close();
  return figures;
}

async function throughput(
  { say }: SectionInput,
  side: Side,
  count: number,
  files: number,
): Promise<Figure[]> {
  const { ground, datasets } = side;
  await afresh(side);
  const bodies = await bodiesOf(files);
  const puts = datasets.flatMap(({ changesPrefix }) =>
    bodies.map((body, n) => ({ key: changesPrefix + nameAt(n), body })),
  );
  for (let at = 0; at < puts.length; at += 16)
    await Promise.all(puts.slice(at, at + 16).map((one) => put(ground, one)));
  const queue = `bench-${randomUUID()}`;
  const workers = await startWorkers(side, queue, count, LOADS);
  const before = await cpuSeconds(ground, workers);
  const begun = performance.now();
  const results = await Promise.all(datasets.map((dataset) => runOf(side, queue, dataset)));
  const seconds = (performance.now() - begun) / 1000;
  const after = await cpuSeconds(ground, workers);
  for (const worker of workers) await worker.stop();
  if (results.some(({ applied }) => applied !== files)) throw new Error('not all files were applied');
  const shares = [...after].map(
    ([name, time]) => [name, (time - (before.get(name) ?? 0)) / seconds] as const,
  );
  const cores = shares
    .filter(([, share]) => share >= 0.05)
    .map(([name, share]) => `${name} ${share.toFixed(2)}`);
  say(`  ${count} workers of ${LOADS} loads: ${seconds.toFixed(1)} s; cores: ${cores.join(', ')}`);
  const what = `${DATASETS} datasets of ${files} files, on ${count} worker${count === 1 ? '' : 's'} of ${LOADS} loads`;
  return [
    figure(`rate.${count}`, what, 'files/s', puts.length / seconds),
    ...shares
      .filter(([, share]) => share >= 0.05)
      .map(([name, share]) => figure(`cores.${count}.${name}`, `${what}: cores of ${name}`, 'ratio', share)),
  ];
}

/** How long a small delta takes while large files of other datasets load. */
async function starvation({ say, unit }: SectionInput, side: Side): Promise<Figure[]> {
  const { ground, datasets } = side;
  await afresh(side);
  const queue = `bench-${randomUUID()}`;
  const [worker] = await startWorkers(side, queue, 1, DEFAULT_LOADS);
  const [small] = datasets.slice(-1);
  const [body] = await bodiesOf(1);
  if (!small || !body) throw new Error('there is a dataset, and a file');
  let place = 0;
  const delta = async (): Promise<number> => {
    await put(ground, { key: small.changesPrefix + nameAt((place += 1)), body });
    const begun = performance.now();
    const { applied } = await runOf(side, queue, small);
    if (applied !== 1) throw new Error('a small delta was not applied');
    return performance.now() - begun;
  };
  await delta();
  const alone: number[] = [];
  for (let n = 0; n < DELTAS; n++) alone.push(await delta());
  const [baseline] = sampleStream({ rows: unit * LARGE_SCALE, deltas: [] });
  if (!baseline) throw new Error('a sample has a baseline');
  const large = await buffer(baseline.body());
  const others = datasets.slice(0, LARGE);
  for (const { changesPrefix } of others) await put(ground, { key: changesPrefix + nameAt(0), body: large });
  const still = { loading: true };
  const runs = Promise.all(others.map((dataset) => runOf(side, queue, dataset))).finally(
    () => (still.loading = false),
  );
  const beside: number[] = [];
  while (still.loading) beside.push(await delta());
  await runs;
  await worker?.stop();
  say(
    `  a small delta: ${median(alone).toFixed(0)} ms alone, at most ${Math.max(...beside).toFixed(0)} ms beside`,
  );
  const what = `a run of one small delta`;
  const times = `${LARGE} large files of other datasets (${Math.round(large.length / 1e6)} MB each) on the same worker of ${DEFAULT_LOADS} loads`;
  return [
    { id: 'g.delta.alone', what: `${what}, alone`, unit: 'ms', samples: alone },
    { id: 'g.delta.beside', what: `${what}, beside ${times}`, unit: 'ms', samples: beside },
  ];
}

function figure(id: string, what: string, unit: Figure['unit'], sample: number): Figure {
  return { id: `g.${id}`, what, unit, samples: [sample] };
}

async function afresh({ ground, datasets }: Side): Promise<void> {
  await emptyBucket(ground);
  await ground.sql(`truncate ${datasets.map(({ table }) => `tickets.${table}`).join(', ')}`);
  await ground.sql(`delete from tickets.import_meta where dataset = any($1::text[])`, [
    datasets.map(({ name }) => name),
  ]);
}

async function bodiesOf(files: number): Promise<readonly Buffer[]> {
  const deltas = Array.from({ length: files }, (_unused, n) => 1 + ((n * 7) % 50));
  return Promise.all(
    sampleStream({ rows: 10_000, deltas })
      .slice(1)
      .map((file) => buffer(file.body())),
  );
}

function nameAt(place: number): string {
  return keyAt(place).slice(inc.changesPrefix.length);
}

async function put(
  { s3, bucket }: Ground,
  { key, body }: { readonly key: string; readonly body: Buffer },
): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
}

async function runOf({ client }: Side, taskQueue: string, { name }: Dataset): Promise<IngestResult> {
  return (await client.workflow.execute('ingestDataset', {
    taskQueue,
    workflowId: `bench-${randomUUID()}`,
    args: [{ dataset: name }],
  })) as IngestResult;
}

async function startWorkers(
  { ground, client, datasets }: Side,
  queue: string,
  count: number,
  loads: number,
): Promise<Server[]> {
  const { stack, directory } = ground;
  const file = join(directory, 'datasets.json');
  await writeFile(file, JSON.stringify(datasets));
  const { args, env } = await workerCommand();
  const options = args.slice(0, -1);
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

/** Seconds that the servers, with their children, and the workers have had of a core; nothing where the system does not say. */
async function cpuSeconds(
  { stack: { servers } }: Ground,
  workers: readonly Server[],
): Promise<ReadonlyMap<string, number>> {
  const named = [
    ...Object.values(servers),
    ...workers.map((worker) => ({ pid: worker.pid, name: 'workers' })),
  ];
  const owners = new Map(named.map((server) => [server.pid(), server.name]));
  const times = new Map<string, number>();
  for (const pid of await readdir('/proc').catch(() => [])) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [, rest] = /^\d+ \(.*\) (.*)$/.exec(stat.trim()) ?? [];
    const fields = rest?.split(' ') ?? [];
    const name = owners.get(Number(pid)) ?? owners.get(Number(fields[1]));
    if (name === undefined) continue;
    // Its children that have ended are in the last two.
    const [user = 0, system = 0, ...ended] = fields.slice(11, 15).map(Number);
    const past = owners.has(Number(pid)) ? ended.reduce((sum, ticks) => sum + ticks, 0) : 0;
    times.set(name, (times.get(name) ?? 0) + (user + system + past) / TICKS);
  }
  return times;
}
