/** Several ways to load the same file, one after the other, round by round. */

import type { BenchFile } from './files.ts';
import type { Ground } from './ground.ts';
import type { Loader } from './loaderProcess.ts';
import { runReference, type ReferenceKind } from './reference.ts';
import { checksum, forgetLoads, OURS, reset, THEIRS, type TableState } from './tables.ts';

/** A way to load a file. */
export interface Contestant {
  readonly name: string;
  /** The table that it loads into; absent where its rows can't be those of the others. */
  readonly table?: string;
  /** In how many rounds it takes part, where not in all. */
  readonly rounds?: number;
  /** Brings its table into a state; not timed. */
  prepare(state: TableState): Promise<void>;
  /** Loads a file. @returns milliseconds */
  run(file: BenchFile): Promise<number>;
}

/** Where everybody begins, and what everybody loads. */
export interface Heat {
  readonly state: TableState;
  readonly file: BenchFile;
}

/** Loads in a warm process by the activity's function. @param baseline the file of which a full table has its rows */
export function ourselves(ground: Ground, loader: Loader, baseline: BenchFile): Contestant {
  return {
    name: 'Tidemark',
    table: OURS,
    prepare: async (state) => {
      await forgetLoads(ground, state === 'full' ? baseline.key : '');
      await reset(ground, OURS, state);
    },
    run: async (file) => {
      const [load] = await loader.load([file]);
      return load?.ms ?? Number.NaN;
    },
  };
}

export function psql(ground: Ground, kind: ReferenceKind): Contestant {
  return {
    name: kind === 'plain' ? 'psql' : 'tuned psql',
    table: THEIRS,
    prepare: (state) => reset(ground, THEIRS, state),
    run: (file) => runReference(ground, kind, file),
  };
}

/**
 * Runs all contestants in each round, each time beginning with another one.
 *
 * @returns the seconds of each, by name
 * @throws where two of them leave different rows: their times could not be compared
 */
export async function compete(
  ground: Ground,
  input: {
    readonly heat: Heat;
    readonly contestants: readonly Contestant[];
    readonly rounds: number;
    readonly onRound: (line: string) => void;
  },
): Promise<ReadonlyMap<string, readonly number[]>> {
  const { heat, contestants, rounds, onRound } = input;
  const seconds = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  let agreed: string | undefined;
  for (let round = 0; round < rounds; round++) {
    ground.yardstick.take();
    const first = round % contestants.length;
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      const { name, table, rounds: most = rounds } = contestant;
      if (round >= most) continue;
      await contestant.prepare(heat.state);
      seconds.get(name)?.push((await contestant.run(heat.file)) / 1000);
      if (table === undefined) continue;
      const found = await checksum(ground, table);
      agreed ??= found;
      if (found !== agreed)
        throw new Error(`${name} left other rows than the others: ${found}, not ${agreed}`);
    }
    const times = contestants.flatMap(({ name }) => {
      const time = seconds.get(name)?.[round];
      return time === undefined ? [] : [`${name} ${time.toFixed(2)} s`];
    });
    onRound(`round ${round + 1} of ${rounds}: ${times.join(', ')}`);
  }
  return seconds;
}
