/** The table that a rebuild builds: an ordinary one, logged, in a schema of its own (docs/decisions/0011). */

import type { Dataset } from '../datasets/dataset.ts';
import type { Difference } from '../domain/difference.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { identifier } from './identifier.ts';
import { isSame } from './merge.ts';
import type { Queryable } from './queryable.ts';
import type { Session } from './pool.ts';
import type { Rebuild } from './rebuildRecord.ts';
import { targetTable } from './tables.ts';

/** Rows kept of each finding. */
const MAX_FOUND = 1_000;

/** Columns that say from where a row comes. */
const LINEAGE = ['source_key', 'source_line'];

/** Only now has the session the rights of who rebuilds; the tables that it makes belong to that role. */
export async function actAsRebuilder(session: Session): Promise<void> {
  const [member] = await session.query<{ may: boolean }>(
    `select pg_has_role(current_user, 'tidemark_rebuilder', 'member') as may
     from pg_catalog.pg_roles where rolname = 'tidemark_rebuilder'`,
  );
  if (member?.may !== true) {
    throw new TidemarkFailure(
      'PostgresRefused',
      'the login of the rebuilder is no member of tidemark_rebuilder',
      {},
      'tidemark migrate, and give the rebuilder a login of its own (docs/security.md)',
    );
  }
  await session.query('set role tidemark_rebuilder');
}

/** Quoted. @throws TidemarkFailure where the rebuild has none: it was given up */
export function builtTable({ table }: Pick<Rebuild, 'table'>): string {
  if (table === null) throw new TidemarkFailure('BadRequest', 'this rebuild has no table: it was given up');
  return `tickets_rebuild.${identifier(table)}`;
}

/** The name of the table that `--as-of` leaves: the file's stamp without its hyphens; how it is packed, if it is, behind it. */
export function asOfTable(dataset: Dataset, key: string): string {
  const name = key.slice(dataset.changesPrefix.length).replace('.csv', '').replace('.', '_');
  return `${dataset.table}_as_of_${name.replaceAll('-', '').toLowerCase()}`;
}

/** Whether a table of this name is there. */
export async function isBuilt(db: Queryable, table: string): Promise<boolean> {
  const [row] = await db.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    builtTable({ table }),
  ]);
  return row?.there ?? false;
}

/** Creates the empty table: the dataset's columns, of the types that they have in the live one. */
export async function createBuild(db: Queryable, dataset: Dataset, table: string): Promise<void> {
  const built = builtTable({ table });
  const columns = [...Object.keys(dataset.columns), ...LINEAGE, 'loaded_at'].map(identifier);
  await db.query(
    `create table ${built} as select ${columns.join(', ')} from ${targetTable(dataset)} with no data`,
  );
  await db.query(`alter table ${built} add primary key (${identifier(dataset.primaryKey)})`);
}

export async function dropBuild(db: Queryable, rebuild: Pick<Rebuild, 'table'>): Promise<void> {
  if (rebuild.table !== null) await db.query(`drop table if exists ${builtTable(rebuild)}`);
}

/** Whether policies of the live table say who may see which of its rows. */
export async function hasPolicies(db: Queryable, dataset: Dataset): Promise<boolean> {
  const [table] = await db.query<{ secured: boolean }>(
    `select relrowsecurity as secured from pg_class where oid = '${targetTable(dataset)}'::regclass`,
  );
  return table?.secured ?? false;
}

/** Gives the table its lasting name. */
export async function keepBuild(db: Queryable, rebuild: Rebuild, name: string): Promise<void> {
  await db.query(`alter table ${builtTable(rebuild)} rename to ${identifier(name)}`);
}

/** Lets who may read the live table read another one. */
export async function grantAsLive(db: Queryable, dataset: Dataset, name: string): Promise<void> {
  await db.query(
    `do $$
     declare
       reader text;
     begin
       for reader in
         select case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
         from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
         where c.oid = '${targetTable(dataset)}'::regclass and a.privilege_type = 'SELECT'
       loop
         execute format('grant select on tickets_rebuild.%I to %s', '${name}', reader);
       end loop;
     end $$`,
  );
}

/** @throws TidemarkFailure AccountingMismatch where the table has not the rows that the files brought */
export async function checkBuild(session: Session, rebuild: Rebuild): Promise<void> {
  const rows = await countRows(session, builtTable(rebuild));
  if (rows === rebuild.rowsBuilt) return;
  throw new TidemarkFailure(
    'AccountingMismatch',
    `${rebuild.rowsBuilt} rows were built, and ${rows} are there`,
    { dataset: rebuild.dataset },
  );
}

/** @param table quoted */
export async function countRows(session: Session, table: string): Promise<number> {
  const [row] = await session.queryLong<{ rows: number }>(`select count(*)::float8 as rows from ${table}`);
  return row?.rows ?? 0;
}

/** Counts what differs between the live table and the built one. */
export async function countDifference(
  session: Session,
  dataset: Dataset,
  rebuild: Rebuild,
): Promise<Omit<Difference, 'columns'>> {
  const pk = identifier(dataset.primaryKey);
  const both = `b.${pk} is not null and t.${pk} is not null`;
  const [counts] = await session.queryLong<Omit<Difference, 'columns'>>(
    `select count(t.${pk})::float8 as stored, count(b.${pk})::float8 as built,
       count(*) filter (where t.${pk} is null)::float8 as missing,
       count(*) filter (where ${both} and ${differs(dataset, rebuild)})::float8 as different,
       count(*) filter (where b.${pk} is null)::float8 as extra
     from ${builtTable(rebuild)} b full join ${targetTable(dataset)} t on t.${pk} = b.${pk}`,
  );
  if (!counts) throw new TidemarkFailure('InternalError', 'a comparison gave no counts');
  return counts;
}

/** In how many of the different rows a column differs; only columns that do. */
export async function countColumns(
  session: Session,
  dataset: Dataset,
  rebuild: Rebuild,
): Promise<Difference['columns']> {
  const pk = identifier(dataset.primaryKey);
  const names = comparedColumns(dataset, rebuild);
  const columns = names.map((name) => {
    const column = identifier(name);
    return `count(*) filter (where t.${column} is distinct from b.${column})::float8`;
  });
  const [row] = await session.queryLong<{ columns: readonly number[] }>(
    `select array[${columns.join(', ')}] as columns
     from ${builtTable(rebuild)} b join ${targetTable(dataset)} t on t.${pk} = b.${pk}
     where ${differs(dataset, rebuild)}`,
  );
  const counted = names.map((name, i) => [name, row?.columns[i] ?? 0] as const);
  return Object.fromEntries(counted.filter(([, n]) => n > 0));
}

/** Keeps the first rows of each finding, for who asks; those of rebuilds that ended long ago go. */
export async function keepFoundRows(session: Session, dataset: Dataset, rebuild: Rebuild): Promise<void> {
  const pk = identifier(dataset.primaryKey);
  await session.query(
    `delete from tickets.rebuild_rows f using tickets.rebuilds r
     where r.id = f.rebuild and (r.id = $1 or r.ended_at < clock_timestamp() - interval '90 days')`,
    [rebuild.id],
  );
  await session.queryLong(
    `insert into tickets.rebuild_rows (rebuild, finding, ticket, source_key, source_line)
     select $1, finding, ticket, source_key, source_line
     from (
       select *, row_number() over (partition by finding order by source_key collate "C", source_line, ticket) as place
       from (
         select coalesce(b.${pk}, t.${pk}) as ticket, coalesce(b.source_key, t.source_key) as source_key,
           coalesce(b.source_line, t.source_line) as source_line,
           case when t.${pk} is null then 'missing' when b.${pk} is null then 'extra'
             when ${differs(dataset, rebuild)} then 'different' end as finding
         from ${builtTable(rebuild)} b full join ${targetTable(dataset)} t on t.${pk} = b.${pk}
       ) judged where finding is not null
     ) f where place <= ${MAX_FOUND}`,
    [rebuild.id],
  );
}

/** What was written into the live table. */
export interface Written {
  readonly inserted: number;
  readonly updated: number;
  readonly removed: number;
}

/** Writes the difference into the live table, by one statement. */
export async function writeDifference(
  session: Session,
  dataset: Dataset,
  rebuild: Rebuild,
): Promise<Written> {
  const pk = identifier(dataset.primaryKey);
  const live = targetTable(dataset);
  const built = builtTable(rebuild);
  const columns = [...Object.keys(dataset.columns), ...LINEAGE].map(identifier);
  const set = columns.filter((column) => column !== pk).map((column) => `${column} = b.${column}`);
  const removed = `delete from ${live} t where not exists (select from ${built} b where b.${pk} = t.${pk}) returning 1`;
  const [written] = await session.queryLong<Written>(
    `with removed as (${rebuild.removes ? removed : 'select 1 where false'}),
     updated as (
       update ${live} t set ${set.join(', ')}, loaded_at = now()
       from ${built} b where b.${pk} = t.${pk} and ${differs(dataset, rebuild)}
       returning 1
     ), inserted as (
       insert into ${live} (${columns.join(', ')}, loaded_at)
       select ${columns.map((column) => `b.${column}`).join(', ')}, now()
       from ${built} b where not exists (select from ${live} t where t.${pk} = b.${pk})
       returning 1
     )
     select (select count(*)::float8 from inserted) as inserted, (select count(*)::float8 from updated) as updated,
       (select count(*)::float8 from removed) as removed`,
  );
  if (!written) throw new TidemarkFailure('InternalError', 'a rebuild gave no counts');
  return written;
}

function comparedColumns(dataset: Dataset, { lineage }: Rebuild): readonly string[] {
  const names = Object.keys(dataset.columns).filter((name) => name !== dataset.primaryKey);
  return lineage ? [...names, ...LINEAGE] : names;
}

/** Whether a live row `t` and a built row `b` differ, as SQL. */
function differs(dataset: Dataset, { lineage }: Rebuild): string {
  const values = `not (${isSame(dataset, 't', 'b')})`;
  if (!lineage) return values;
  return `(${values} or (t.source_key, t.source_line) is distinct from (b.source_key, b.source_line))`;
}
