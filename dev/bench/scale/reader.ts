/** Who reads a table while it is loaded, or while nothing happens. */

import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Ground } from '../ground.ts';
import { settle } from '../tables.ts';

/** Between two questions: enough of them in a few seconds for a 99th percentile. */
const READ_EVERY_MS = 10;

/** A table that no load writes, for who would else ask an empty one. */
export const BESIDE = 'bench.beside';

/** Makes it, with as many rows. */
export async function createBeside(ground: Ground, rows: number): Promise<void> {
  await ground.sql(`drop table if exists ${BESIDE};
    create table ${BESIDE} (ticket_id text collate "C" primary key, title text);
    insert into ${BESIDE} select 'INC' || n, repeat('x', 300) from generate_series(1, ${rows}) n`);
  await settle(ground, BESIDE);
}

/** Asks for a row by its key again and again, on a connection of its own. */
export function startReader({ stack }: Ground, table: string): { stop(): Promise<readonly number[]> } {
  const ending = new AbortController();
  const reads: number[] = [];
  const read = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: stack.env['DATABASE_URL'] ?? '' });
    await client.connect();
    for (let n = 0; !ending.signal.aborted; n++) {
      const begun = performance.now();
      await client.query(`select * from ${table} where ticket_id >= $1 order by ticket_id limit 1`, [
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

/** The same for a while in which nothing else happens. */
export async function readIdle(ground: Ground, table: string, ms: number): Promise<readonly number[]> {
  const reader = startReader(ground, table);
  await delay(ms, undefined, { signal: ground.signal });
  return reader.stop();
}
