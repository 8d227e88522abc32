/** The tables of the contestants: brought into the same state before each measurement, compared after it. */

import { inc } from '../../src/datasets/inc.ts';
import type { Ground } from './ground.ts';

/** Ours, and that of the others: the same columns but for lineage, which only we keep. */
export const OURS = `tickets.${inc.table}`;
export const THEIRS = 'bench.inc';
/** The rows of a full table, as we loaded them. */
const KEPT = 'bench.kept';

const COLUMNS = Object.entries(inc.columns);
const NAMES = COLUMNS.map(([name]) => name).join(', ');
const COMPARED = COLUMNS.map(([name, { type }]) => (type === 'numeric' ? `trim_scale(${name})` : name)).join(
  ', ',
);

/** Makes the others' table. */
export async function createTheirs({ sql }: Ground): Promise<void> {
  const columns = COLUMNS.map(([name, { type }]) =>
    name === inc.primaryKey ? `${name} ${type} collate "C" primary key` : `${name} ${type}`,
  );
  await sql(`create schema bench; create table ${THEIRS} (${columns.join(', ')})`);
}

/** Keeps the rows of our table, as they are now, to fill tables with. */
export async function keepRows(ground: Ground): Promise<void> {
  await copyTable(ground, { from: OURS, to: KEPT });
}

/** Copies rows into a table made for them. */
export async function copyTable(
  { sql }: Ground,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  await sql(`drop table if exists ${to}; create table ${to} as table ${from}`);
}

/** Which state a table is to be in. */
export type TableState = 'empty' | 'full';

/**
 * Empties or fills a table, as a vacuumed and analysed one that is all on disk.
 *
 * @param kept the table with a full one's rows
 */
export async function reset(ground: Ground, table: string, state: TableState, kept = KEPT): Promise<void> {
  const { sql } = ground;
  await sql(`truncate ${table}`);
  if (state === 'full') {
    await sql(`insert into ${table} select ${table === THEIRS ? NAMES : '*'} from ${kept}`);
  }
  await settle(ground, table);
}

/** Leaves a table with its rows, vacuumed and analysed, all on disk. */
export async function settle({ sql }: Ground, table: string): Promise<void> {
  await sql(`vacuum (analyze) ${table}`);
  await sql('checkpoint');
}

/** The ledger forgets what was loaded after a key; all, where none is given. */
export async function forgetLoads({ sql }: Ground, after = ''): Promise<void> {
  await sql(`delete from tickets.import_meta where source_key collate "C" > $1`, [after]);
  await sql('vacuum (analyze) tickets.import_meta');
}

/** A table's rows in the columns that all have, whatever their order and the trailing zeros of their numbers. */
export async function checksum({ sql }: Ground, table: string): Promise<string> {
  const [row] = await sql<{ sum: string }>(
    `select count(*) || ' rows, ' || coalesce(sum(hashtextextended(row(${COMPARED})::text, 0)::numeric), 0) as sum
     from ${table}`,
  );
  return row?.sum ?? '';
}
