/** The set-wise merge of a staging table into its target, as SQL text. */

import type { Dataset } from '../datasets/dataset.ts';
import { identifier } from './identifier.ts';
import { stagingTable, stretchTable, targetTable } from './tables.ts';

/** How rows of a file meet rows of the table: by order of files, or by the version column (docs/semantics.md). */
export type MergeMode = 'inOrder' | 'late' | 'reload';

/** What a merge did, counted by PostgreSQL. */
export interface MergeCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly stale: number;
}

/**
 * Deletes from staging all but the last row in the file of each primary key; the number deleted is `superseded`.
 * Found by a hash over the keys alone: files nearly never have any, and sorting whole rows costs more.
 */
export function supersedeSql(dataset: Dataset): string {
  const stage = stagingTable(dataset);
  const pk = identifier(dataset.primaryKey);
  return `
with repeated as (
  select ${pk} as pk, max(source_line) as last_line from ${stage} group by ${pk} having count(*) > 1
), superseded as (
  delete from ${stage} s using repeated r where s.${pk} = r.pk and s.source_line < r.last_line returning 1
)
select count(*)::float8 as superseded from superseded`;
}

/**
 * Merges staging into the target. Parameter $1 is the source key.
 *
 * Each staged row is first given its deed, by a join that touches nothing; only rows that are new or differ are then
 * written, so that an unchanged row gets no new version. The counts of the deeds and of the rows written are taken
 * apart, and must agree.
 *
 * @param target the table, quoted; another than the dataset's own to rehearse
 */
export function mergeSql(dataset: Dataset, mode: MergeMode, target = targetTable(dataset)): string {
  const stage = stagingTable(dataset);
  const pk = identifier(dataset.primaryKey);
  const deeds = [
    `when t.${pk} is null then 'insert'`,
    `when ${isSame(dataset, 't', 's')} then 'unchanged'`,
    ...(mode === 'inOrder' ? [] : [`when not (${wins(dataset, mode)}) then 'stale'`]),
    `else 'update'`,
  ];
  return `
with deeds as materialized (
  select s.source_line, case ${deeds.join(' ')} end as deed
  from ${stage} s left join ${target} t on t.${pk} = s.${pk}
), merged as (
  ${upsertSql(
    dataset,
    target,
    `${stage} s join deeds d on d.source_line = s.source_line
  where d.deed in ('insert', 'update')`,
  )}
), written as (
  select count(*) filter (where inserted) as inserted, count(*) filter (where not inserted) as updated from merged
)
select
  w.inserted::float8 as inserted,
  w.updated::float8 as updated,
  count(*) filter (where d.deed = 'unchanged')::float8 as unchanged,
  count(*) filter (where d.deed = 'stale')::float8 as stale
from written w left join deeds d on true
group by w.inserted, w.updated`;
}

/**
 * Merges a stretch of a file. Parameter $1 is the source key.
 *
 * Each row is looked up one by one, since a plan that read the whole target for every stretch would cost its square, and
 * then written by the place where it was found: to look it up once more, as `on conflict do update` does, takes a quarter
 * more time. Where another writer comes between, or a key stands twice, the counts do not add up to the stretch's rows.
 */
export function mergeStretchSql(dataset: Dataset): string {
  const stretch = stretchTable(dataset);
  const target = targetTable(dataset);
  const pk = identifier(dataset.primaryKey);
  const { columns, lineage, values } = writtenColumns(dataset);
  const set = columns
    .filter((column) => column !== pk)
    .map((column) => `${column} = s.${column}`)
    .concat(lineage.map((column, index) => `${column} = ${values[index]}`));
  return `
with looked as materialized (
  select s.source_line, t.place, t.same
  from ${stretch} s left join lateral (
    select t.ctid as place, ${isSame(dataset, 't', 's')} as same from ${target} t where t.${pk} = s.${pk} limit 1
  ) t on true
), updated as (
  update ${target} t set ${set.join(', ')}
  from looked l join ${stretch} s on s.source_line = l.source_line
  where not l.same and t.ctid = l.place and t.${pk} = s.${pk}
  returning 1
), inserted as (
  insert into ${target} (${[...columns, ...lineage].join(', ')})
  select ${[...columns.map((column) => `s.${column}`), ...values].join(', ')}
  from looked l join ${stretch} s on s.source_line = l.source_line
  where l.same is null
  on conflict (${pk}) do nothing
  returning 1
)
select
  (select count(*)::float8 from inserted) as inserted,
  (select count(*)::float8 from updated) as updated,
  (select count(*)::float8 from looked where same) as unchanged`;
}

/** Columns of the target that a load writes: those of the dataset, those of lineage, and the values of these. */
function writtenColumns(dataset: Dataset): {
  readonly columns: readonly string[];
  readonly lineage: readonly string[];
  readonly values: readonly string[];
} {
  return {
    columns: Object.keys(dataset.columns).map(identifier),
    lineage: ['source_key', 'source_line', 'loaded_at'],
    values: ['$1', 's.source_line', 'now()'],
  };
}

/** @param from staged rows as `s`, and which of them */
function upsertSql(dataset: Dataset, target: string, from: string): string {
  const pk = identifier(dataset.primaryKey);
  const { columns, lineage, values } = writtenColumns(dataset);
  const set = [...columns.filter((column) => column !== pk), ...lineage];
  return `insert into ${target} as t (${[...columns, ...lineage].join(', ')})
  select ${[...columns.map((column) => `s.${column}`), ...values].join(', ')}
  from ${from}
  on conflict (${pk}) do update set ${set.map((column) => `${column} = excluded.${column}`).join(', ')}
  returning (xmax = 0) as inserted`;
}

/** Whether two rows have the same values, as SQL. */
export function isSame(dataset: Dataset, one: string, other: string): string {
  const names = Object.keys(dataset.columns).filter((name) => name !== dataset.primaryKey);
  const row = (alias: string): string => names.map((name) => `${alias}.${identifier(name)}`).join(', ');
  return `(${row(one)}) is not distinct from (${row(other)})`;
}

/** Whether the staged row may replace the stored one, by the version column: NULL loses to a value. */
function wins(dataset: Dataset, mode: 'late' | 'reload'): string {
  const version = identifier(dataset.versionColumn);
  const newer = `s.${version} is not null and (t.${version} is null or s.${version} > t.${version})`;
  return mode === 'late' ? newer : `(${newer}) or s.${version} is not distinct from t.${version}`;
}
