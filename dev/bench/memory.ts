/** Section d: the memory of the worker's process, and the time of a file, as files grow. */

import { ratios, type Figure } from './figure.ts';
import { again, emptyBucket, writeFile, type BenchFile } from './files.ts';
import type { Ground } from './ground.ts';
import type { SectionInput } from './loads.ts';
import { forgetLoads, OURS, reset, settle } from './tables.ts';
import { startWorkerRuns } from './workerRuns.ts';

const MB = 1e6;
/** Between these two sizes the cost is to be linear. */
const LINEAR = [10, 50] as const;

/** What one process came to: the peak at its start, then after a file of each scale. */
interface Life {
  readonly start: number;
  readonly scales: readonly Scale[];
}

/** A file that was loaded twice: onto an empty table, then under a new key onto the full one. */
interface Scale {
  readonly peak: number;
  /** Of each of the two. */
  readonly seconds: readonly [empty: number, full: number];
}

const ONTO = ['an empty table', 'the full table, all rows equal'] as const;

/** Each round has a process of its own, that loads a file of each scale. Left out where the system knows no peaks. */
export async function memoryAndSize(input: SectionInput): Promise<Figure[]> {
  const { ground, unit, scales, runs: rounds, say, note } = input;
  const files: BenchFile[] = [];
  for (const scale of scales) {
    say(`  writing a file of ${(unit * scale).toLocaleString('en')} rows`);
    files.push(await writeFile(ground, { rows: unit * scale, place: 0, changes: 'none' }));
  }
  const lives: Life[] = [];
  for (let round = 0; round < rounds; round++) {
    const life = await live(ground, files);
    if (!life) {
      note('Section d was left out: only Linux says what a process has had in memory.');
      return [];
    }
    const peaks = [life.start, ...life.scales.map(({ peak }) => peak)];
    const megabytes = peaks.map((bytes) => (bytes / MB).toFixed(0)).join(', ');
    const times = life.scales
      .map(({ seconds }) => seconds.map((one) => one.toFixed(2)).join(' and '))
      .join(', ');
    say(`  round ${round + 1} of ${rounds}: ${megabytes} MB; ${times} s`);
    lives.push(life);
  }
  const peaks = (at: number): number[] => lives.map((life) => (life.scales[at]?.peak ?? Number.NaN) / MB);
  const times = (at: number, onto: number): number[] =>
    lives.map((life) => life.scales[at]?.seconds[onto] ?? Number.NaN);
  const [first, last] = [0, scales.length - 1];
  const [small, large] = LINEAR.map((scale) => scales.indexOf(scale));
  return [
    {
      id: 'd.start',
      what: 'peak memory of the worker: started',
      unit: 'MB',
      samples: lives.map(({ start }) => start / MB),
    },
    ...scales.map((scale, at): Figure => ({
      id: `d.memory.${scale}`,
      what: `peak memory of the worker: after a file of ${scale}×, twice`,
      unit: 'MB',
      samples: peaks(at),
    })),
    {
      id: 'd.growth',
      what: `peak memory of the worker: ${scales[last]}× over ${scales[first]}×`,
      unit: 'ratio',
      samples: ratios(peaks(last), peaks(first)),
    },
    ...(small !== undefined && large !== undefined && small >= 0 && large >= 0
      ? ONTO.map((what, onto): Figure => ({
          id: onto === 0 ? 'd.linear' : 'd.linear.full',
          what: `time of a load, ${LINEAR[1]}× over ${LINEAR[0]}×, onto ${what}`,
          unit: 'ratio',
          pair: { ours: times(large, onto), theirs: times(small, onto), who: `${LINEAR[0]}×` },
          samples: ratios(times(large, onto), times(small, onto)),
        }))
      : []),
  ];
}

async function live(ground: Ground, files: readonly BenchFile[]): Promise<Life | undefined> {
  const runs = await startWorkerRuns(ground);
  const start = await runs.peakMemory();
  const scales: Scale[] = [];
  for (const file of files) {
    ground.yardstick.take();
    await emptyBucket(ground);
    await forgetLoads(ground);
    await reset(ground, OURS, 'empty');
    const load = async (place: number): Promise<number> => {
      await again(ground, file, place);
      const { result, loadMs } = await runs.run();
      if (result.applied !== 1) throw new Error(`a file of ${file.rows} rows was not applied`);
      return loadMs / 1000;
    };
    const empty = await load(0);
    await settle(ground, OURS);
    const full = await load(1);
    scales.push({ peak: (await runs.peakMemory()) ?? Number.NaN, seconds: [empty, full] });
  }
  await runs.close();
  return start === undefined ? undefined : { start, scales };
}
