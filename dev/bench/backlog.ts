/** Section c: many small deltas onto a large table. */

import type { SectionInput } from './loads.ts';
import { ratios, type Figure } from './figure.ts';
import { emptyBucket, putSample } from './files.ts';
import type { Ground } from './ground.ts';
import { startLoader, type Loader } from './loaderProcess.ts';
import { checksum, forgetLoads, keepRows, OURS, reset } from './tables.ts';
import { sampleStream, type SampleFile } from '../sample/stream.ts';
import { startWorkerRuns, type WorkerRuns } from './workerRuns.ts';

/** The table has the rows of a file of this scale. */
const TABLE_SCALE = 10;
/** Rows of the deltas that are loaded one by one, and how many; the first ones warm up. */
const DELTA_ROWS = 20;
const DELTAS = 50;
const WARM_UP = 5;
/** Rows of the backlog's files, in turn: 1 to 50, those of all sizes as often. */
const sizeAt = (place: number): number => 1 + ((place * 7) % 50);

export async function smallDeltas(input: SectionInput & { readonly backlog: number }): Promise<Figure[]> {
  const { ground, unit, backlog } = input;
  const rows = unit * TABLE_SCALE;
  const sizes = Array.from({ length: backlog }, (_unused, place) => sizeAt(place));
  const [baseline, ...files] = sampleStream({ rows, deltas: sizes });
  if (!baseline) throw new Error('a sample has a baseline');
  const loader = await startLoader(ground.stack);
  const runs = await startWorkerRuns(ground);
  await fill(ground, runs, baseline);
  const figures = [
    await single(ground, loader, { baseline, rows }),
    ...(await many(input, { loader, runs, baseline, files })),
  ];
  await loader.stop();
  await runs.close();
  return figures;
}

/** Loads and archives the baseline, and keeps the table's rows. */
async function fill(ground: Ground, runs: WorkerRuns, baseline: SampleFile): Promise<void> {
  await emptyBucket(ground);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  await putSample(ground, [baseline]);
  await runs.run();
  await keepRows(ground);
}

/** One delta at a time, in process. */
async function single(
  ground: Ground,
  loader: Loader,
  { baseline, rows }: { readonly baseline: SampleFile; readonly rows: number },
): Promise<Figure> {
  const deltas = Array.from({ length: WARM_UP + DELTAS }, () => DELTA_ROWS);
  const files = await putSample(ground, sampleStream({ rows, deltas }).slice(1));
  await again(ground, baseline);
  const loads = await loader.load(files);
  const samples = loads.slice(WARM_UP).map(({ ms }) => ms);
  const what = `one delta of ${DELTA_ROWS} rows onto ${await countRows(ground)}, in process`;
  return { id: 'c.delta', what, unit: 'ms', samples };
}

/** The backlog through the workflow, and by the bare loop. */
async function many(
  { ground, runs: rounds, say }: SectionInput,
  input: {
    readonly loader: Loader;
    readonly runs: WorkerRuns;
    readonly baseline: SampleFile;
    readonly files: readonly SampleFile[];
  },
): Promise<Figure[]> {
  const { loader, runs, baseline, files } = input;
  const ways = {
    workflow: async () => {
      const { ms, result } = await runs.run();
      return { ms, files: Math.min(result.applied, result.archived) };
    },
    loop: () => loader.loop(),
  };
  const seconds = { workflow: [] as number[], loop: [] as number[] };
  const sums = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    ground.yardstick.take();
    for (const way of round % 2 === 0 ? (['workflow', 'loop'] as const) : (['loop', 'workflow'] as const)) {
      await emptyBucket(ground);
      await putSample(ground, files);
      await again(ground, baseline);
      const done = await ways[way]();
      if (done.files !== files.length)
        throw new Error(`${way}: ${done.files} of ${files.length} files were loaded and archived`);
      seconds[way].push(done.ms / 1000);
      sums.add(await checksum(ground, OURS));
    }
    say(
      `  round ${round + 1} of ${rounds}: ${files.length} files, workflow ${seconds.workflow.at(-1)?.toFixed(2)} s, loop ${seconds.loop.at(-1)?.toFixed(2)} s`,
    );
  }
  if (sums.size > 1) throw new Error('the workflow and the loop left different rows');
  const pair = { ours: seconds.workflow, theirs: seconds.loop, who: 'bare loop' };
  const what = `${files.length.toLocaleString('en')} deltas of 1 to 50 rows`;
  const rates = (times: readonly number[]): number[] => times.map((time) => files.length / time);
  return [
    {
      id: 'c.backlog.rate',
      what: `${what}, by the workflow`,
      unit: 'files/s',
      samples: rates(seconds.workflow),
    },
    {
      id: 'c.backlog.loop',
      what: `${what}, by the bare loop`,
      unit: 'files/s',
      samples: rates(seconds.loop),
    },
    { id: 'c.backlog.ratio', what, pair, unit: 'times', samples: ratios(seconds.loop, seconds.workflow) },
  ];
}

/** The table as the baseline left it, and a ledger that knows nothing else. */
async function again(ground: Ground, baseline: SampleFile): Promise<void> {
  await forgetLoads(ground, baseline.key);
  await reset(ground, OURS, 'full');
}

async function countRows({ sql }: Ground): Promise<string> {
  const [row] = await sql<{ rows: number }>(`select count(*)::float8 as rows from ${OURS}`);
  return (row?.rows ?? 0).toLocaleString('en');
}
