import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { inc } from '../../src/datasets/inc.ts';
import { loadZstd } from '../support/packing.ts';
import { openWorld, type World } from '../support/world.ts';
import { Lane, openLane, shelfOf, type Outcomes } from './lane.ts';
import { mutant, packedMutant } from './mutations.ts';

/**
 * The bounded form: 10,000 files of this seed, the same in every run of the suite. The long form takes any seed, and goes
 * on for so many seconds: `TIDEMARK_FUZZ_SEED=… TIDEMARK_FUZZ_SECONDS=3600 npx mocha test/fuzz/fuzz.test.ts`.
 * A failure names the file by seed, batch and place in it, so that the same seed finds it again.
 */
const SEED = Number(process.env['TIDEMARK_FUZZ_SEED'] ?? 20_260_622);
const SECONDS = Number(process.env['TIDEMARK_FUZZ_SECONDS'] ?? 0);
const FILES = 10_000;
const PACKED_FILES = 500;
/** Files generated and loaded at a time. */
const BATCH = 25;
/** Loads under way at once: datasets do not wait for each other. */
const LANES = 4;
/** One file of so many is read from the real S3 server. */
const REAL_EVERY = 25;
/** What may stay in memory from the second quarter of the files to their end, beside the tables to compare with. */
const MAX_GROWTH = 64 * 1024 ** 2;

describe('bad input by the thousand', function () {
  this.timeout(20 * 60_000 + SECONDS * 1000);
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  it('each of 10,000 mutated files is loaded as the naive reading says, or refused by type with nothing changed', async () => {
    process.stdout.write(`    seed ${SEED}${SECONDS > 0 ? `, for ${SECONDS} s` : ''}\n`);
    const started = performance.now();
    const elapsed = (): number => (performance.now() - started) / 1000;
    const lanes: Lane[] = [];
    for (let n = 0; n < LANES; n++) {
      lanes.push(new Lane(world, await openLane(world, `lane${n}`), shelfOf(world, REAL_EVERY)));
    }
    let batches = 0;
    const memory: number[] = [];
    const work = async (lane: Lane): Promise<void> => {
      while (batches * BATCH < FILES || elapsed() < SECONDS) {
        const batch = (batches += 1);
        await lane.take(
          fc.sample(mutant(inc), { seed: SEED + batch, numRuns: BATCH }),
          `seed ${SEED}, batch ${batch}`,
        );
        if (batch % 20 === 0) memory.push(held());
      }
      await lane.compareWhole();
    };
    await Promise.all(lanes.map(work));
    const outcomes = sum(lanes.map((lane) => lane.outcomes));
    const quarter = memory[Math.floor(memory.length / 4)] ?? 0;
    const growth = (memory.at(-1) ?? 0) - quarter;
    process.stdout.write(
      `    ${batches * BATCH} files in ${elapsed().toFixed(0)} s: ${JSON.stringify(outcomes)}; ` +
        `memory ${mib(quarter)} MiB, grown by ${mib(growth)} MiB; RSS ${mib(process.memoryUsage.rss())} MiB\n`,
    );
    // A generator that no longer makes files of each kind would prove nothing.
    for (const kind of ['loaded', 'MalformedFile', 'SchemaMismatch', 'RowsRejected']) {
      assert.ok((outcomes[kind] ?? 0) > FILES / 50, `hardly any file was ${kind}`);
    }
    assert.deepEqual(Object.keys(outcomes).length, 4, JSON.stringify(outcomes));
    assert.ok(growth < MAX_GROWTH, `memory grew by ${mib(growth)} MiB`);
  });

  it('each of 500 packed files, most of them damaged, is loaded as the naive reading says of what was packed, or refused by type with nothing changed', async () => {
    const pack = { '.gz': (text: Buffer) => gzipSync(text), '.zst': await loadZstd() };
    const lane = new Lane(world, await openLane(world, 'packed'), shelfOf(world, REAL_EVERY));
    for (let batch = 1; batch * BATCH <= PACKED_FILES; batch++) {
      await lane.take(
        fc.sample(packedMutant(inc, pack), { seed: SEED + batch, numRuns: BATCH }),
        `seed ${SEED}, packed, batch ${batch}`,
      );
    }
    await lane.compareWhole();
    process.stdout.write(`    ${PACKED_FILES} packed files: ${JSON.stringify(lane.outcomes)}\n`);
    for (const kind of ['loaded', 'MalformedFile']) {
      assert.ok((lane.outcomes[kind] ?? 0) > PACKED_FILES / 10, `hardly any file was ${kind}`);
    }
  });
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use, in the heap and beside it. */
function held(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function mib(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}

function sum(all: readonly Outcomes[]): Outcomes {
  const total: Outcomes = {};
  for (const outcomes of all) {
    for (const [kind, n] of Object.entries(outcomes)) total[kind] = (total[kind] ?? 0) + n;
  }
  return total;
}
