/** Autovacuum, which the rest of the bench goes without: switched on for a section, and waited for. */

import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { SETTINGS, type Ground } from '../ground.ts';

/** As PostgreSQL's own tests have it; its default of a minute would only add to each wait. */
export const NAPTIME = '1s';
/** A share of the table's rows, in place of 0.2: what docs/scaling.md advises for a table of this size. */
export const SCALE_FACTOR = 0.02;

const LOOK_MS = 100;

/** Work with autovacuum on, the table's threshold as above; afterwards all is as it was. */
export async function withAutovacuum<T>(ground: Ground, table: string, work: () => Promise<T>): Promise<T> {
  const before = SETTINGS['autovacuum'] ?? 'on';
  await alterSystem(ground, [`set autovacuum = 'on'`, `set autovacuum_naptime = '${NAPTIME}'`]);
  await ground.sql(`alter table ${table} set (autovacuum_vacuum_scale_factor = ${SCALE_FACTOR})`);
  try {
    return await work();
  } finally {
    await ground.sql(`alter table ${table} reset (autovacuum_vacuum_scale_factor)`);
    await alterSystem(ground, [`set autovacuum = '${before}'`, 'reset autovacuum_naptime']);
  }
}

async function alterSystem({ stack }: Ground, changes: readonly string[]): Promise<void> {
  const admin = new pg.Client({ connectionString: stack.adminDatabaseUrl });
  await admin.connect();
  try {
    for (const change of changes) await admin.query(`alter system ${change}`);
    await admin.query('select pg_reload_conf()');
  } finally {
    await admin.end();
  }
}

/** What became of a table's dead rows. */
export interface Vacuumed {
  /** The most dead rows that the server has counted since the load's end. */
  readonly dead: number;
  /** Milliseconds from the load's end to that of the first autovacuum of the table; `undefined` where none ended in time. */
  readonly ms: number | undefined;
}

/** How often the table was vacuumed by autovacuum so far. */
export async function vacuums(ground: Ground, table: string): Promise<number> {
  return (await look(ground, table)).count;
}

/** Waits for the next one. @param before as many there were before the load */
export async function awaitAutovacuum(
  ground: Ground,
  table: string,
  { before, atMostMs }: { readonly before: number; readonly atMostMs: number },
): Promise<Vacuumed> {
  const begun = performance.now();
  for (let dead = 0; ;) {
    const now = await look(ground, table);
    dead = Math.max(dead, now.dead);
    const ms = performance.now() - begun;
    if (now.count > before) return { dead, ms };
    if (ms > atMostMs) return { dead, ms: undefined };
    await delay(LOOK_MS, undefined, { signal: ground.signal });
  }
}

async function look({ sql }: Ground, table: string): Promise<{ dead: number; count: number }> {
  const [row] = await sql<{ dead: number; count: number }>(
    `select n_dead_tup::float8 as dead, autovacuum_count::float8 as count
     from pg_stat_user_tables where relid = '${table}'::regclass`,
  );
  return row ?? { dead: 0, count: 0 };
}
