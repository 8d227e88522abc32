/** Section f: ten thousand pending files in one run, then a few beside many foreign and archived keys. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inc } from '../../../src/datasets/inc.ts';
import { sampleStream } from '../../sample/stream.ts';
import type { Figure } from '../figure.ts';
import { emptyBucket, putSample } from '../files.ts';
import type { Ground } from '../ground.ts';
import type { SectionInput } from '../loads.ts';
import { forgetLoads, OURS, reset } from '../tables.ts';
import { startWorkerRuns } from '../workerRuns.ts';

const MB = 1e6;
/** Rows of the files, in turn: 1 to 50. */
const sizeAt = (place: number): number => 1 + ((place * 7) % 50);
/** Files that are pending beside the foreign keys. */
const FEW = 20;

/** @param size how many files are pending, and how many keys lie beside the few */
export async function longHistory(
  { ground, unit, say }: SectionInput,
  { files: count, beside }: { readonly files: number; readonly beside: number },
): Promise<Figure[]> {
  await emptyBucket(ground);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  const deltas = Array.from({ length: count + 2 * FEW }, (_unused, place) => sizeAt(place));
  const files = sampleStream({ rows: unit, deltas });
  say(`  writing ${count + 1} files`);
  await putSample(ground, files.slice(0, count + 1));
  const runs = await startWorkerRuns(ground);
  const start = (await runs.peakMemory()) ?? Number.NaN;
  const { ms, result, workflowId } = await runs.run();
  if (result.applied !== count + 1) throw new Error(`${result.applied} of ${count + 1} files were applied`);
  const histories = await runs.histories(workflowId);
  const peak = (await runs.peakMemory()) ?? Number.NaN;
  const [early, late] = await rates(ground);
  say(`  ${count + 1} files in ${(ms / 1000).toFixed(1)} s, ${histories.length} histories`);
  const few = async (from: number): Promise<number> => {
    await putSample(ground, files.slice(from, from + FEW));
    const run = await runs.run();
    if (run.result.applied !== FEW) throw new Error(`${run.result.applied} of ${FEW} files were applied`);
    return run.ms;
  };
  const alone = await few(count + 1);
  say(`  writing ${2 * beside} foreign and archived keys`);
  await foreignKeys(ground, beside);
  const besides = await few(count + 1 + FEW);
  await runs.close();
  const n = count.toLocaleString('en');
  const figure = (id: string, what: string, unit: Figure['unit'], sample: number): Figure => ({
    id: `f.${id}`,
    what,
    unit,
    samples: [sample],
  });
  return [
    figure('rate', `${n} pending files in one run`, 'files/s', (count + 1) / (ms / 1000)),
    figure('early', 'of them the first tenth', 'files/s', early),
    figure('late', 'of them the last tenth', 'files/s', late),
    figure('histories', 'histories of that run', 'count', histories.length),
    figure(
      'events',
      'events of the longest history',
      'count',
      Math.max(...histories.map(({ events }) => events)),
    ),
    figure(
      'bytes',
      'bytes of the largest history',
      'bytes',
      Math.max(...histories.map(({ bytes }) => bytes)),
    ),
    figure('start', 'peak memory of the worker: started', 'MB', start / MB),
    figure('memory', `peak memory of the worker: after ${n} files`, 'MB', peak / MB),
    figure('few.alone', `a run of ${FEW} files, nothing beside them`, 'ms', alone),
    figure(
      'few.beside',
      `a run of ${FEW} files, ${beside.toLocaleString('en')} keys in a folder and as many archived beside them`,
      'ms',
      besides,
    ),
  ];
}

/** Files per second of the first and of the last tenth, by the times of the ledger. */
async function rates({ sql }: Ground): Promise<readonly [number, number]> {
  const rows = await sql<{ rate: number }>(
    `with d as (select imported_at, ntile(10) over (order by id) as tenth from tickets.import_meta where export_type = 'delta')
     select (count(*) / extract(epoch from max(imported_at) - min(imported_at)))::float8 as rate
     from d where tenth in (1, 10) group by tenth order by tenth`,
  );
  return [rows[0]?.rate ?? Number.NaN, rows[1]?.rate ?? Number.NaN];
}

/** The embedded S3 server keeps a bucket in a directory: so many puts would take longer than the bench. */
async function foreignKeys({ stack, bucket }: Ground, count: number): Promise<void> {
  const root = join(stack.directory, 's3', bucket);
  for (const folder of [join(root, inc.changesPrefix, 'full'), join(root, inc.processedPrefix)]) {
    await mkdir(folder, { recursive: true });
    for (let n = 0; n < count; n++) {
      const at = new Date(Date.UTC(2024, 0, 1, 0, n)).toISOString().slice(0, 19).replaceAll(':', '-');
      await writeFile(join(folder, `${at}.csv`), '');
    }
  }
}
