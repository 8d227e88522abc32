/** Section h: a baseline of millions of rows, then every tenth of them changed, with readers beside it, and a crash. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Figure } from '../figure.ts';
import { again, emptyBucket, writeLargeFile, type BenchFile } from '../files.ts';
import type { Ground } from '../ground.ts';
import type { SectionInput } from '../loads.ts';
import { median, quantile } from '../statistics.ts';
import { forgetLoads, OURS, reset, settle } from '../tables.ts';
import { startWorkerRuns, type WorkerRuns } from '../workerRuns.ts';
import { awaitAutovacuum, NAPTIME, SCALE_FACTOR, vacuums, withAutovacuum } from './autovacuum.ts';
import { BESIDE, createBeside, readIdle, startReader } from './reader.ts';

const MB = 1e6;
/** How long a reader asks while nothing happens. */
const IDLE_MS = 5_000;
/** When the crash comes: about the middle of a load. */
const CRASH_SHARE = 0.5;

/** What is loaded beside which reader. */
interface Case {
  readonly id: 'empty' | 'tenth';
  readonly what: string;
  /** What the reader asks: readers of a table that is being filled see nothing in it. */
  readonly read: string;
  readonly vacuumMs: number;
}

/** What a load did to the server. */
interface Effect {
  readonly ms: number;
  readonly figures: readonly Figure[];
}

/** @param size rows of the baseline; how long to wait for autovacuum, milliseconds */
export async function largeBaseline(
  input: SectionInput,
  size: { readonly rows: number; readonly vacuumMs: number },
): Promise<Figure[]> {
  input.note(
    `Section h: autovacuum is on, with autovacuum_naptime = ${NAPTIME} in place of 1min and ` +
      `autovacuum_vacuum_scale_factor = ${SCALE_FACTOR} for the table; dead rows are the most that the server counted after a load.`,
  );
  return withAutovacuum(input.ground, OURS, () => measure(input, size));
}

async function measure(
  input: SectionInput,
  { rows, vacuumMs }: { readonly rows: number; readonly vacuumMs: number },
): Promise<Figure[]> {
  const { ground, say } = input;
  await emptyBucket(ground);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  await createBeside(ground, Math.round(rows / 10));
  say(`  writing a file of ${rows.toLocaleString('en')} rows`);
  const baseline = await writeLargeFile(ground, { rows, place: 0, changes: 'none' });
  const runs = await startWorkerRuns(ground);
  const start = (await runs.peakMemory()) ?? Number.NaN;
  const what = `${rows.toLocaleString('en')} rows (${Math.round(baseline.bytes / MB)} MB), empty table`;
  const whole = await load(input, runs, { id: 'empty', what, read: BESIDE, vacuumMs });
  const crashed = await loadWithCrash(ground, runs, baseline, whole.ms);
  say(`  with a crash in the middle: ${(crashed / 1000).toFixed(1)} s`);
  await settle(ground, OURS);
  await emptyBucket(ground);
  say('  writing it with every tenth row changed');
  await writeLargeFile(ground, { rows, place: 1, changes: 'tenth' });
  const changed = 'the same file with every tenth row changed, full table';
  const tenth = await load(input, runs, { id: 'tenth', what: changed, read: OURS, vacuumMs });
  await runs.close();
  const crash = 'the same with the worker killed in the middle: from start to result';
  return [
    ...whole.figures,
    figure('start', 'peak memory of the worker: started', 'MB', start / MB),
    figure('crash', crash, 's', crashed / 1000),
    ...tenth.figures,
  ];
}

function figure(id: string, what: string, unit: Figure['unit'], sample: number): Figure {
  return { id: `h.${id}`, what, unit, samples: [sample] };
}

/** One run of what is pending, with a reader beside it; then the wait for autovacuum. */
async function load(
  { ground, say, note }: SectionInput,
  runs: WorkerRuns,
  { id, what, read, vacuumMs }: Case,
): Promise<Effect> {
  const idle = await readIdle(ground, read, IDLE_MS);
  const before = { wal: await walPosition(ground), vacuums: await vacuums(ground, OURS) };
  const reader = startReader(ground, read);
  const { result, loadMs } = await runs.run();
  const reads = await reader.stop();
  if (result.applied !== 1) throw new Error(`${what}: the file was not applied`);
  // Before autovacuum adds to it.
  const wal = (await walPosition(ground)) - before.wal;
  const { dead, ms } = await awaitAutovacuum(ground, OURS, { before: before.vacuums, atMostMs: vacuumMs });
  if (ms === undefined) note(`${what}: autovacuum did not end within ${vacuumMs / 1000} s.`);
  const size = await sizes(ground);
  const peak = (await runs.peakMemory()) ?? Number.NaN;
  say(
    `  ${what}: ${(loadMs / 1000).toFixed(1)} s, ${(peak / MB).toFixed(0)} MB, WAL ${(wal / MB).toFixed(0)} MB`,
  );
  const of = (part: string, words: string, unit: Figure['unit'], sample: number): Figure =>
    figure(`${id}.${part}`, `${what}: ${words}`, unit, sample);
  const asked = read === OURS ? 'the table' : 'another table';
  return {
    ms: loadMs,
    figures: [
      figure(`${id}.time`, what, 's', loadMs / 1000),
      of('memory', 'peak memory of the worker', 'MB', peak / MB),
      of('wal', 'WAL', 'MB', wal / MB),
      of('table', 'the table afterwards', 'MB', size.table / MB),
      of('index', 'its index afterwards', 'MB', size.index / MB),
      of('dead', 'dead rows after the load', 'count', dead),
      ...(ms === undefined ? [] : [of('vacuum', 'until autovacuum has run', 's', ms / 1000)]),
      of('read.idle', `a reader of ${asked} by key, idle: median`, 'ms', median(idle)),
      of('read.idle.p99', `a reader of ${asked} by key, idle: 99th percentile`, 'ms', quantile(idle, 0.99)),
      of('read', `a reader of ${asked} by key, during the load: median`, 'ms', median(reads)),
      of(
        'read.p99',
        `a reader of ${asked} by key, during the load: 99th percentile`,
        'ms',
        quantile(reads, 0.99),
      ),
    ],
  };
}

async function sizes({ sql }: Ground): Promise<{ table: number; index: number }> {
  const [row] = await sql<{ table: number; index: number }>(
    `select pg_table_size('${OURS}')::float8 as table, pg_indexes_size('${OURS}')::float8 as index`,
  );
  return row ?? { table: Number.NaN, index: Number.NaN };
}

/** The same load from the beginning, its worker killed in the middle of it. @returns milliseconds from start to result */
async function loadWithCrash(
  ground: Ground,
  runs: WorkerRuns,
  baseline: BenchFile,
  wholeMs: number,
): Promise<number> {
  await emptyBucket(ground);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  await again(ground, baseline, 0);
  const run = runs.run();
  await delay(wholeMs * CRASH_SHARE, undefined, { signal: ground.signal });
  await runs.crash();
  const { ms, result } = await run;
  if (result.applied !== 1) throw new Error('after a crash: the file was not applied');
  return ms;
}

async function walPosition({ sql }: Ground): Promise<number> {
  const [row] = await sql<{ at: number }>(`select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 as at`);
  return row?.at ?? Number.NaN;
}
