/** Section h: a baseline of millions of rows, then every tenth of them changed, with readers beside it, and a crash. */

import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Figure } from '../figure.ts';
import { again, emptyBucket, writeLargeFile, type BenchFile } from '../files.ts';
import type { Ground } from '../ground.ts';
import type { SectionInput } from '../loads.ts';
import { median } from '../statistics.ts';
import { forgetLoads, OURS, reset } from '../tables.ts';
import { startWorkerRuns, type WorkerRuns } from '../workerRuns.ts';

const MB = 1e6;
/** Between two questions of a reader. */
const READ_EVERY_MS = 50;
/** When the crash comes: about the middle of a load. */
const CRASH_SHARE = 0.5;

/** What a load did to the server. */
interface Effect {
  readonly ms: number;
  readonly peak: number;
  readonly walBytes: number;
  readonly tableBytes: number;
  readonly dead: number;
  /** Answers to a reader of one row by its key, milliseconds. */
  readonly reads: readonly number[];
}

export async function largeBaseline(
  { ground, say }: SectionInput,
  { rows }: { readonly rows: number },
): Promise<Figure[]> {
  await emptyBucket(ground);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  say(`  writing a file of ${rows.toLocaleString('en')} rows`);
  const baseline = await writeLargeFile(ground, { rows, place: 0, changes: 'none' });
  const runs = await startWorkerRuns(ground);
  const start = (await runs.peakMemory()) ?? Number.NaN;
  const whole = await load(ground, runs, say, 'onto an empty table');
  const crashed = await loadWithCrash(ground, runs, baseline, whole.ms);
  say(`  with a crash in the middle: ${(crashed / 1000).toFixed(1)} s`);
  await emptyBucket(ground);
  say('  writing it with every tenth row changed');
  await writeLargeFile(ground, { rows, place: 1, changes: 'tenth' });
  const tenth = await load(ground, runs, say, 'a tenth changed');
  await runs.close();
  return [
    ...figuresOf(
      'empty',
      `${rows.toLocaleString('en')} rows (${Math.round(baseline.bytes / MB)} MB), empty table`,
      whole,
    ),
    figure('start', 'peak memory of the worker: started', 'MB', start / MB),
    figure(
      'crash',
      'the same with the worker killed in the middle: from start to result',
      's',
      crashed / 1000,
    ),
    ...figuresOf('tenth', 'the same file with every tenth row changed, full table', tenth),
  ];
}

function figuresOf(id: string, what: string, effect: Effect): Figure[] {
  return [
    figure(`${id}.time`, what, 's', effect.ms / 1000),
    figure(`${id}.memory`, `${what}: peak memory of the worker`, 'MB', effect.peak / MB),
    figure(`${id}.wal`, `${what}: WAL`, 'MB', effect.walBytes / MB),
    figure(`${id}.table`, `${what}: table and index afterwards`, 'MB', effect.tableBytes / MB),
    figure(`${id}.dead`, `${what}: dead rows afterwards`, 'count', effect.dead),
    figure(`${id}.read`, `${what}: a reader's answer by key meanwhile, median`, 'ms', median(effect.reads)),
    figure(`${id}.slowest`, `${what}: the slowest such answer`, 'ms', Math.max(...effect.reads)),
  ];
}

function figure(id: string, what: string, unit: Figure['unit'], sample: number): Figure {
  return { id: `h.${id}`, what, unit, samples: [sample] };
}

/** One run of what is pending, with a reader beside it. */
async function load(
  ground: Ground,
  runs: WorkerRuns,
  say: SectionInput['say'],
  what: string,
): Promise<Effect> {
  const before = await walPosition(ground);
  const reader = startReader(ground);
  const { result, loadMs } = await runs.run();
  const reads = await reader.stop();
  if (result.applied !== 1) throw new Error(`${what}: the file was not applied`);
  const walBytes = (await walPosition(ground)) - before;
  const [size] = await ground.sql<{ bytes: number; dead: number }>(
    `select pg_total_relation_size('${OURS}')::float8 as bytes, n_dead_tup::float8 as dead
     from pg_stat_user_tables where relid = '${OURS}'::regclass`,
  );
  const peak = (await runs.peakMemory()) ?? Number.NaN;
  say(
    `  ${what}: ${(loadMs / 1000).toFixed(1)} s, ${(peak / MB).toFixed(0)} MB, WAL ${(walBytes / MB).toFixed(0)} MB`,
  );
  return {
    ms: loadMs,
    peak,
    walBytes,
    tableBytes: size?.bytes ?? Number.NaN,
    dead: size?.dead ?? Number.NaN,
    reads,
  };
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

/** Asks for a row again and again on a connection of its own. */
function startReader({ stack }: Ground): { stop(): Promise<readonly number[]> } {
  const ending = new AbortController();
  const reads: number[] = [];
  const read = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: stack.env['DATABASE_URL'] ?? '' });
    await client.connect();
    for (let n = 0; !ending.signal.aborted; n++) {
      const begun = performance.now();
      await client.query(`select * from ${OURS} where ticket_id >= $1 order by ticket_id limit 1`, [
        `INC${n}`,
      ]);
      reads.push(performance.now() - begun);
      await delay(READ_EVERY_MS);
    }
    await client.end();
  };
  const reading = read();
  reading.catch(() => undefined);
  return {
    stop: async () => {
      ending.abort();
      await reading;
      return reads;
    },
  };
}
