/** Section e: a run with nothing pending. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Figure } from './figure.ts';
import { emptyBucket, writeFile } from './files.ts';
import type { Ground } from './ground.ts';
import type { SectionInput } from './loads.ts';
import { forgetLoads, OURS, reset } from './tables.ts';
import { startWorkerRuns } from './workerRuns.ts';

/** Transactions and bytes of WAL so far. */
interface Written {
  readonly transactions: number;
  readonly bytes: number;
}

/** After a write PostgreSQL's background writer logs a snapshot, once, within 15 s. */
export const SETTLE_MS = 16_000;

/** @param input.settleMs how long what PostgreSQL has still to write is waited for */
export async function nothingPending(input: SectionInput & { readonly settleMs: number }): Promise<Figure[]> {
  const { ground, unit, runs: rounds, settleMs, say } = input;
  await emptyBucket(ground);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  await writeFile(ground, { rows: unit, place: 0, changes: 'none' });
  const runs = await startWorkerRuns(ground);
  // Loads and archives; what is measured are the runs after it, the first of them not.
  await runs.run();
  await runs.run();
  say('  waiting until PostgreSQL has nothing left to write');
  await ground.sql('checkpoint');
  await delay(settleMs, undefined, { signal: ground.signal });
  const samples: { ms: number; events: number; activities: number; transactions: number; bytes: number }[] =
    [];
  for (let round = 0; round < rounds; round++) {
    ground.yardstick.take();
    const before = await written(ground);
    const { ms, events, activities, result } = await runs.run();
    const after = await written(ground);
    if (result.applied !== 0) throw new Error('a run with nothing pending applied something');
    samples.push({
      ms,
      events,
      activities,
      transactions: after.transactions - before.transactions,
      bytes: after.bytes - before.bytes,
    });
  }
  await runs.close();
  const of = (name: keyof (typeof samples)[number]): number[] => samples.map((sample) => sample[name]);
  return [
    { id: 'e.time', what: 'a run with nothing pending: from start to result', unit: 'ms', samples: of('ms') },
    {
      id: 'e.events',
      what: 'a run with nothing pending: events of its history',
      unit: 'count',
      samples: of('events'),
    },
    {
      id: 'e.activities',
      what: 'a run with nothing pending: activities, local ones too',
      unit: 'count',
      samples: of('activities'),
    },
    {
      id: 'e.writers',
      what: 'a run with nothing pending: transactions that write to PostgreSQL',
      unit: 'count',
      samples: of('transactions'),
    },
    {
      id: 'e.wal',
      what: 'a run with nothing pending: WAL, what PostgreSQL writes by itself included',
      unit: 'bytes',
      samples: of('bytes'),
    },
  ];
}

/** A transaction has a number only once it writes. Nobody else is on the server, and autovacuum is off. */
async function written({ sql }: Ground): Promise<Written> {
  const [row] = await sql<Written>(
    `select pg_snapshot_xmax(pg_current_snapshot())::text::float8 as transactions,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as bytes`,
  );
  if (!row) throw new Error('a select has a row');
  return row;
}
