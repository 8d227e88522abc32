/** Whether a dataset's table can take what its definition says. */

import type { Dataset } from '../datasets/dataset.ts';
import { identifier } from './identifier.ts';
import type { Queryable } from './queryable.ts';
import { targetTable } from './tables.ts';
import { hasUniqueKeySql } from './uniqueKey.ts';

/** What is wrong with a table; a name that PostgreSQL gave may hold anything. */
export interface TableFault {
  /** A `problem` keeps files from being loaded, or will. */
  readonly state: 'problem' | 'warning';
  readonly what: string;
  /** What to type: SQL, or a command. */
  readonly mend: string;
}

/** Compares a dataset's live table with its definition. */
export async function readTableFaults(db: Queryable, dataset: Dataset): Promise<TableFault[]> {
  const plain = `tickets.${dataset.table}`;
  const table = targetTable(dataset);
  const state = await readTableState(db, dataset);
  if (!state) return [problem(`there is no table ${plain}`, 'tidemark migrate')];
  const faults = state.columns.flatMap((column) => columnFaults(plain, table, column));
  if (!state.unique) {
    const pk = identifier(dataset.primaryKey);
    const what = `${plain} has no unique index on ${dataset.primaryKey} alone`;
    faults.push(problem(what, `alter table ${table} add primary key (${pk});`));
  }
  for (const name of state.unfilled) {
    const mend = `alter table ${table} alter column "${name.replaceAll('"', '""')}" drop not null;`;
    faults.push(problem(`${name} must not be empty, and no load fills it`, mend));
  }
  if (state.rowSecurity) {
    const what = `${plain} has row level security: a policy may hide rows from loads`;
    faults.push({ state: 'warning', what, mend: `alter table ${table} disable row level security;` });
  }
  return faults;
}

function columnFaults(plain: string, table: string, { name, wanted, found }: ColumnState): TableFault[] {
  const column = identifier(name);
  if (found === null) {
    // As `migrate` adds them: rows that are there get a value, and what else writes into the table still can.
    const filled = name in EMPTY_LINEAGE ? ` not null default ${EMPTY_LINEAGE[name]}` : '';
    const mend = `alter table ${table} add column ${column} ${wanted}${filled};`;
    return [problem(`${plain} lacks the column ${name}`, mend)];
  }
  if (found === wanted) return [];
  const mend = `alter table ${table} alter column ${column} type ${wanted} using ${column}::${wanted};`;
  return [problem(`${name} is of type ${found}, and not ${wanted}`, mend)];
}

function problem(what: string, mend: string): TableFault {
  return { state: 'problem', what, mend };
}

/** A column that the dataset needs. */
interface ColumnState {
  readonly name: string;
  /** As PostgreSQL writes it. */
  readonly wanted: string;
  /** Null where the table lacks it. */
  readonly found: string | null;
}

/** A dataset's table beside its definition. */
interface TableState {
  readonly columns: readonly ColumnState[];
  /** Whether a unique index has the primary key alone. */
  readonly unique: boolean;
  /** Columns that no load fills, and that must not be empty. */
  readonly unfilled: readonly string[];
  /** Policies may hide rows from the login. */
  readonly rowSecurity: boolean;
}

/** What stands in the rows of which it is not known where they came from. */
const EMPTY_LINEAGE: Readonly<Record<string, string>> = {
  source_key: `''`,
  source_line: '0',
  loaded_at: 'now()',
};

const LINEAGE = { source_key: 'text', source_line: 'bigint', loaded_at: 'timestamptz' };

/** Compares a dataset's table with its definition; `undefined` where there is no such table. */
async function readTableState(db: Queryable, dataset: Dataset): Promise<TableState | undefined> {
  const types = Object.entries(dataset.columns).map(([name, { type }]) => [name, type] as const);
  const wanted = [...types, ...Object.entries(LINEAGE)];
  const [state] = await db.query<TableState>(
    `with class as (
       select c.oid, c.relrowsecurity from pg_class c join pg_namespace s on s.oid = c.relnamespace
       where s.nspname = 'tickets' and c.relname = $1
     ), found as (
       select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
         a.attnotnull and not a.atthasdef and a.attidentity = '' as unfilled
       from class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     ), wanted as (
       select w.name, format_type(w.type::regtype, null) as type, w.place
       from unnest($2::text[], $3::text[]) with ordinality as w(name, type, place)
     )
     select
       (select jsonb_agg(jsonb_build_object('name', w.name, 'wanted', w.type, 'found', f.type) order by w.place)
        from wanted w left join found f using (name)) as columns,
       ${hasUniqueKeySql('c.oid', '$4')} as unique,
       (select coalesce(jsonb_agg(f.name), '[]') from found f
        where f.unfilled and f.name not in (select name from wanted)) as unfilled,
       c.relrowsecurity as "rowSecurity"
     from class c`,
    [dataset.table, wanted.map(([name]) => name), wanted.map(([, type]) => type), dataset.primaryKey],
  );
  return state;
}
