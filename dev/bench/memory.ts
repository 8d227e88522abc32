/** Section d: the memory of the worker's process, and the time of a file, as files grow. */

import { ratios, type Figure } from './figure.ts';
import { emptyBucket, writeFile } from './files.ts';
import type { Ground } from './ground.ts';
import type { SectionInput } from './loads.ts';
import { forgetLoads, OURS, reset } from './tables.ts';
import { startWorkerRuns } from './workerRuns.ts';

const MB = 1e6;
/** Each begins with a new process; peaks hardly differ from one to the other. */
const MOST_RUNS = 3;
/** Between these two sizes the cost is to be linear. */
const LINEAR = [10, 50] as const;

/** What one process came to: the peak at its start, then after a file of each scale. */
interface Life {
  readonly start: number;
  readonly scales: readonly { readonly peak: number; readonly seconds: number }[];
}

/** @returns `undefined` where the system does not say what a process has had in memory: only Linux does */
export async function memoryAndSize(input: SectionInput): Promise<Figure[] | undefined> {
  const { ground, unit, scales, say } = input;
  const rounds = Math.min(input.runs, MOST_RUNS);
  const lives: Life[] = [];
  for (let round = 0; round < rounds; round++) {
    const life = await live(
      ground,
      scales.map((scale) => unit * scale),
    );
    if (!life) return undefined;
    const megabytes = [life.start, ...life.scales.map(({ peak }) => peak)].map((bytes) =>
      (bytes / MB).toFixed(0),
    );
    say(
      `  round ${round + 1} of ${rounds}: ${megabytes.join(', ')} MB; ${life.scales.map(({ seconds }) => seconds.toFixed(2)).join(', ')} s`,
    );
    lives.push(life);
  }
  const peaks = (at: number): number[] => lives.map((life) => (life.scales[at]?.peak ?? Number.NaN) / MB);
  const times = (at: number): number[] => lives.map((life) => life.scales[at]?.seconds ?? Number.NaN);
  const [first, last] = [0, scales.length - 1];
  const [small, large] = LINEAR.map((scale) => scales.indexOf(scale));
  return [
    {
      id: 'd.start',
      what: 'peak memory of the worker, started',
      unit: 'MB',
      samples: lives.map(({ start }) => start / MB),
    },
    ...scales.map((scale, at): Figure => ({
      id: `d.memory.${scale}`,
      what: `… after a file of ${scale}×`,
      unit: 'MB',
      samples: peaks(at),
    })),
    {
      id: 'd.growth',
      what: `peak memory, ${scales[last]}× over ${scales[first]}×`,
      unit: 'ratio',
      samples: ratios(peaks(last), peaks(first)),
    },
    ...(small !== undefined && large !== undefined && small >= 0 && large >= 0
      ? [
          {
            id: 'd.linear',
            what: `time, ${LINEAR[1]}× over ${LINEAR[0]}×, onto an empty table`,
            unit: 'ratio' as const,
            pair: { ours: times(large), theirs: times(small), who: `${LINEAR[0]}×` },
            samples: ratios(times(large), times(small)),
          },
        ]
      : []),
  ];
}

async function live(ground: Ground, sizes: readonly number[]): Promise<Life | undefined> {
  const runs = await startWorkerRuns(ground);
  const start = await runs.peakMemory();
  const scales: { peak: number; seconds: number }[] = [];
  for (const rows of sizes) {
    await emptyBucket(ground);
    await forgetLoads(ground);
    await writeFile(ground, { rows, place: 0, changes: 'none' });
    await reset(ground, OURS, 'empty');
    const { result } = await runs.run();
    if (result.applied !== 1) throw new Error(`a file of ${rows} rows was not applied`);
    scales.push({ peak: (await runs.peakMemory()) ?? Number.NaN, seconds: await lastLoad(ground) });
  }
  await runs.close();
  return start === undefined ? undefined : { start, scales };
}

/** Seconds of the last load, as its activity took them. */
async function lastLoad({ sql }: Ground): Promise<number> {
  const [row] = await sql<{ seconds: number }>(
    `select (metadata ->> 'seconds')::float8 as seconds from tickets.import_meta order by id desc limit 1`,
  );
  return row?.seconds ?? Number.NaN;
}
