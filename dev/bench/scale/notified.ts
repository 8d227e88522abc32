/** Section i: what NOTIFY costs: small deltas of several datasets side by side, and transactions that do nothing else. */

import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { notification } from '../../../src/postgres/notification.ts';
import { ratios, type Figure } from '../figure.ts';
import type { Ground } from '../ground.ts';
import type { SectionInput } from '../loads.ts';
import { afresh, bodiesOf, putEach, runOf, startWorkers, withDatasets, type Side } from './many.ts';

/** Datasets side by side, on a worker of as many loads; and connections of the bare transactions. */
const DATASETS = 8;

type Way = 'silent' | 'notified';
const WAYS: readonly Way[] = ['silent', 'notified'];
type Samples = Record<Way, number[]>;

/** @param size files of each dataset in a round; how long transactions are counted in it, milliseconds */
export async function notified(
  input: SectionInput,
  size: { readonly files: number; readonly ms: number },
): Promise<Figure[]> {
  return withDatasets(input.ground, DATASETS, async (side) => {
    const listener = await listen(input.ground);
    const rates = await deltas(input, side, size.files);
    if (listener.told() !== DATASETS * size.files * (input.runs + 1))
      throw new Error(`${listener.told()} files told of themselves`);
    const commits = await bare(input, size.ms);
    await listener.end();
    const files = `${size.files} deltas of each of ${DATASETS} datasets at once, one worker of ${DATASETS} loads`;
    return [
      ...figures('files', files, 'files/s', rates),
      ...figures('bare', `transactions of one small insert, ${DATASETS} connections`, 'commits/s', commits),
    ];
  });
}

function figures(id: string, what: string, unit: Figure['unit'], { silent, notified }: Samples): Figure[] {
  return [
    { id: `i.${id}.silent`, what: `${what}: without NOTIFY`, unit, samples: silent },
    { id: `i.${id}.notified`, what: `${what}: with NOTIFY, and one listener`, unit, samples: notified },
    {
      id: `i.${id}.ratio`,
      what: `${what}: with over without`,
      unit: 'ratio',
      samples: ratios(notified, silent),
    },
  ];
}

/** Who is told of every file. */
async function listen({ stack }: Ground): Promise<{ told(): number; end(): Promise<void> }> {
  const client = await connect(stack.env['DATABASE_URL'] ?? '');
  let told = 0;
  client.on('notification', () => (told += 1));
  await client.query('listen tidemark');
  return { told: () => told, end: () => client.end() };
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

/** Rounds of both ways, each begun by the other one. */
async function rounds(runs: number, measure: (way: Way) => Promise<number>): Promise<Samples> {
  const samples: Samples = { silent: [], notified: [] };
  for (let round = 0; round < runs; round++) {
    for (const way of round % 2 === 0 ? WAYS : WAYS.toReversed()) samples[way].push(await measure(way));
  }
  return samples;
}

/** Files a second, by the workflow. */
async function deltas({ runs, say }: SectionInput, side: Side, files: number): Promise<Samples> {
  await afresh(side);
  const bodies = await bodiesOf(files);
  const queues = { silent: `bench-${randomUUID()}`, notified: `bench-${randomUUID()}` };
  const telling = side.datasets.map((dataset) => ({ ...dataset, notifies: true }));
  const workers = [
    ...(await startWorkers(side, queues.silent, 1, DATASETS)),
    ...(await startWorkers({ ...side, datasets: telling }, queues.notified, 1, DATASETS)),
  ];
  let place = 0;
  const measure = async (way: Way): Promise<number> => {
    await putEach(side, bodies, place);
    place += files;
    const begun = performance.now();
    const results = await Promise.all(side.datasets.map((dataset) => runOf(side, queues[way], dataset)));
    const rate = (DATASETS * files) / ((performance.now() - begun) / 1000);
    if (results.some(({ applied }) => applied !== files)) throw new Error('not all files were applied');
    say(`  ${way}: ${rate.toFixed(0)} files/s`);
    return rate;
  };
  // A worker's first files cost connections and plans.
  for (const way of WAYS) await measure(way);
  const samples = await rounds(runs, measure);
  for (const worker of workers) await worker.stop();
  return samples;
}

/** Commits a second of transactions that insert a row and, where they notify, tell of it: the most that NOTIFY can cost. */
async function bare({ ground, runs, say }: SectionInput, ms: number): Promise<Samples> {
  await ground.sql('drop table if exists bench.deeds; create table bench.deeds (key text)');
  const url = ground.stack.env['DATABASE_URL'] ?? '';
  const clients = await Promise.all(Array.from({ length: DATASETS }, () => connect(url)));
  const key = 'automations/inc/changes/2026-06-22T13-00-00.csv';
  const tell = notification({ dataset: 'inc', key, exportType: 'delta', counts: { read: 131 } });
  const samples = await rounds(runs, async (way) => {
    const until = performance.now() + ms;
    const counts = await Promise.all(
      clients.map(async (client) => {
        let count = 0;
        for (; performance.now() < until; count++) {
          await client.query('begin');
          await client.query('insert into bench.deeds values ($1)', [key]);
          if (way === 'notified') await client.query(tell.text, [...tell.values]);
          // The same number of round trips in both.
          else await client.query('select $1::text', [key]);
          await client.query('commit');
        }
        return count;
      }),
    );
    const rate = counts.reduce((sum, count) => sum + count, 0) / (ms / 1000);
    say(`  ${way}: ${rate.toFixed(0)} commits/s`);
    return rate;
  });
  await Promise.all(clients.map((client) => client.end()));
  return samples;
}
