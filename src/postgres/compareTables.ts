/** Compares a dataset's shadow table with the live one, inside PostgreSQL: counts come out, and keys where asked for. */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { identifier } from './identifier.ts';
import type { Queryable } from './queryable.ts';
import { targetTable } from './tables.ts';

/** Rows are told one by one up to this many. */
const MAX_ROWS = 100;

/** What was found. */
export interface TableComparison {
  readonly rows: { readonly shadow: number; readonly live: number };
  readonly onlyShadow: number;
  readonly onlyLive: number;
  /** Rows of both that have another value in some column. */
  readonly differing: number;
  /** Of these, by column, only those that have any. */
  readonly columns: Readonly<Record<string, number>>;
  /** Columns that the live table has not. */
  readonly missing: readonly string[];
  /** Columns of another type there: compared as text. */
  readonly asText: readonly string[];
  /** The first that are not the same; only where asked for. */
  readonly tickets?: readonly DifferingRow[];
}

/** A row that is not the same in both. */
export interface DifferingRow {
  /** The primary key's value. */
  readonly key: string;
  readonly in: 'shadow' | 'live' | 'both';
  readonly columns: readonly string[];
}

/** @param live `schema.table`, plain lower-case names */
export async function compareTables(
  db: Queryable,
  shadow: Dataset,
  live: string,
  values: 'withheld' | 'shown',
): Promise<TableComparison> {
  const liveTable = live.split('.').map(identifier).join('.');
  const types = await typesOf(db, liveTable);
  const pk = shadow.primaryKey;
  if (!types.has(pk)) {
    throw new TidemarkFailure('BadRequest', `the live table ${live} is not there, or has no column ${pk}`);
  }
  const names = Object.keys(shadow.columns).filter((name) => name !== pk);
  const missing = names.filter((name) => !types.has(name));
  const asText = names.filter((name) => types.has(name) && types.get(name) !== shadow.columns[name]?.type);
  const compared = names.filter((name) => types.has(name));
  const differs = compared.map((name) => differsSql(name, asText.includes(name)));
  const joined = `from ${targetTable(shadow)} s full join ${liveTable} l on s.${identifier(pk)} = l.${identifier(pk)}::text`;
  const both = `s.${identifier(pk)} is not null and l.${identifier(pk)} is not null`;
  const any = differs.length === 0 ? 'false' : differs.map((sql) => `(${sql})`).join(' or ');
  const counts = differs.map((sql) => `count(*) filter (where ${both} and ${sql})::float8`);
  const [found] = await db.query<Omit<TableComparison, 'rows' | 'columns' | 'missing' | 'asText'> & Counted>(
    `select count(s.${identifier(pk)})::float8 as shadow, count(l.${identifier(pk)})::float8 as live,
       count(*) filter (where l.${identifier(pk)} is null)::float8 as "onlyShadow",
       count(*) filter (where s.${identifier(pk)} is null)::float8 as "onlyLive",
       count(*) filter (where ${both} and (${any}))::float8 as differing,
       json_build_array(${counts.join(', ')}) as counts
     ${joined}`,
  );
  if (!found) throw new TidemarkFailure('InternalError', 'a comparison gave no counts');
  const { shadow: inShadow, live: inLive, counts: byColumn, ...rest } = found;
  const columns = Object.fromEntries(
    compared.map((name, i) => [name, byColumn[i] ?? 0]).filter(([, n]) => n !== 0),
  );
  const result = { rows: { shadow: inShadow, live: inLive }, ...rest, columns, missing, asText };
  if (values === 'withheld') return result;
  const flags = compared.map((name, i) => `case when ${both} and ${differs[i]} then '${name}' end`);
  const tickets = await db.query<DifferingRow>(
    `select coalesce(s.${identifier(pk)}, l.${identifier(pk)}::text) as key,
       case when l.${identifier(pk)} is null then 'shadow' when s.${identifier(pk)} is null then 'live' else 'both' end as in,
       array_remove(array[${flags.join(', ')}]::text[], null) as columns
     ${joined} where not (${both}) or ${any} order by 1 limit ${MAX_ROWS}`,
  );
  return { ...result, tickets };
}

interface Counted {
  readonly shadow: number;
  readonly live: number;
  readonly counts: readonly number[];
}

async function typesOf(db: Queryable, table: string): Promise<ReadonlyMap<string, string>> {
  const rows = await db.query<{ name: string; type: string }>(
    `select attname as name, case atttypid when 'timestamptz'::regtype then 'timestamptz'
       else format_type(atttypid, null) end as type
     from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
    [table],
  );
  return new Map(rows.map(({ name, type }) => [name, type]));
}

function differsSql(name: string, asText: boolean): string {
  const cast = asText ? '::text' : '';
  return `s.${identifier(name)}${cast} is distinct from l.${identifier(name)}${cast}`;
}
