/** Section g: fifty datasets on workers of 4 and of 8 loads; and a small delta beside large files of more datasets than slots. */

import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { DEFAULT_LOADS } from '../../../src/domain/slots.ts';
import { sampleStream } from '../../sample/stream.ts';
import type { Server } from '../../servers/server.ts';
import type { Figure } from '../figure.ts';
import type { Ground } from '../ground.ts';
import type { SectionInput } from '../loads.ts';
import { median } from '../statistics.ts';
import {
  afresh,
  bodiesOf,
  nameAt,
  put,
  putEach,
  runOf,
  startWorkers,
  withDatasets,
  type Side,
} from './many.ts';

const DATASETS = 50;
/** Workers, and files side by side of each. Four of eight would want 96 connections, and PostgreSQL's default has 97. */
const CASES = [
  { workers: 1, loads: 4 },
  { workers: 2, loads: 4 },
  { workers: 4, loads: 4 },
  { workers: 1, loads: 8 },
  { workers: 2, loads: 8 },
] as const;
/** Datasets with a large file at once: more than a worker has slots for such. */
const LARGE = 6;
/** Their files, in baselines. */
const LARGE_SCALE = 10;
/** Small deltas beside them, and without them. */
const DELTAS = 10;
/** Linux counts a process's time so, a second. */
const TICKS = 100;

/** @param size files of each dataset */
export async function sideBySide(input: SectionInput, size: { readonly files: number }): Promise<Figure[]> {
  return withDatasets(input.ground, DATASETS, async (side) => {
    const figures: Figure[] = [];
    for (const one of CASES) figures.push(...(await throughput(input, side, { ...one, ...size })));
    return [...figures, ...(await starvation(input, side))];
  });
}

interface Case {
  readonly workers: number;
  readonly loads: number;
  readonly files: number;
}

async function throughput(
  { say }: SectionInput,
  side: Side,
  { workers: count, loads, files }: Case,
): Promise<Figure[]> {
  const { ground, datasets } = side;
  await afresh(side);
  await putEach(side, await bodiesOf(files));
  const queue = `bench-${randomUUID()}`;
  const workers = await startWorkers(side, queue, count, loads);
  const before = await cpuSeconds(ground, workers);
  const begun = performance.now();
  const results = await Promise.all(datasets.map((dataset) => runOf(side, queue, dataset)));
  const seconds = (performance.now() - begun) / 1000;
  const after = await cpuSeconds(ground, workers);
  for (const worker of workers) await worker.stop();
  if (results.some(({ applied }) => applied !== files)) throw new Error('not all files were applied');
  await assertInOrder(side);
  const shares = [...after].map(
    ([name, time]) => [name, (time - (before.get(name) ?? 0)) / seconds] as const,
  );
  const cores = shares
    .filter(([, share]) => share >= 0.05)
    .map(([name, share]) => `${name} ${share.toFixed(2)}`);
  say(`  ${count} workers of ${loads} loads: ${seconds.toFixed(1)} s; cores: ${cores.join(', ')}`);
  const what = `${DATASETS} datasets of ${files} files, on ${count} worker${count === 1 ? '' : 's'} of ${loads} loads`;
  const id = `${count}x${loads}`;
  return [
    figure(`rate.${id}`, what, 'files/s', (datasets.length * files) / seconds),
    ...shares
      .filter(([, share]) => share >= 0.05)
      .map(([name, share]) => figure(`cores.${id}.${name}`, `${what}: cores of ${name}`, 'ratio', share)),
  ];
}

/** Whatever ran beside it, each dataset's files are to be applied in their order. */
async function assertInOrder({ ground, datasets }: Side): Promise<void> {
  const [row] = await ground.sql<{ behind: number }>(
    `select count(*)::int as behind from (
       select source_key collate "C" < lag(source_key collate "C") over (partition by dataset order by id) as is_behind
       from tickets.import_meta where dataset = any($1::text[])
     ) deeds where is_behind`,
    [datasets.map(({ name }) => name)],
  );
  if (row?.behind !== 0) throw new Error(`${row?.behind} files were not applied in order`);
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
