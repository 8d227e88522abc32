/** An older loader's target table, taken as it stands: its rows, its readers' views and its grants stay. */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Queryable } from './queryable.ts';
import { targetTable } from './tables.ts';
import { hasUniqueKeySql } from './uniqueKey.ts';

/**
 * Gives an existing table what ours has besides; where each row came from is not known of those that are there.
 *
 * @returns whether there is one
 * @throws TidemarkFailure that names what in it does not fit the dataset: nothing is changed then
 */
export async function takeTable(tx: Queryable, dataset: Dataset): Promise<boolean> {
  const [table] = await tx.query<{ there: boolean }>(`select to_regclass($1) is not null as there`, [
    targetTable(dataset),
  ]);
  if (table?.there !== true) return false;
  const types = Object.entries(dataset.columns).map(([name, { type }]) => ({ name, type }));
  const [found] = await tx.query<{ misfits: string[] }>(MISFITS, [
    targetTable(dataset),
    types.map(({ name }) => name),
    types.map(({ type }) => type),
    dataset.primaryKey,
  ]);
  const misfits = found?.misfits ?? [];
  if (misfits.length > 0) throw refused(dataset, misfits);
  // With defaults, so that what else writes into the table still can.
  await tx.query(
    `alter table ${targetTable(dataset)}
       add column if not exists source_key text not null default '',
       add column if not exists source_line bigint not null default 0,
       add column if not exists loaded_at timestamptz not null default now()`,
  );
  return true;
}

/** What a load would fail at: $1 table, $2 columns, $3 their types, $4 the primary key. */
const MISFITS = `
with actual as (
  select attname::text as name, format_type(atttypid, null) as type,
    attnotnull and not atthasdef and attidentity = '' and attgenerated = '' as demanded
  from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped
), misfits as (
  select 1 as rank, name || ' is missing' as what from unnest($2::text[]) as name
    where name not in (select name from actual)
  union all
  select 2, name || ' is ' || actual.type || ', not ' || declared.type
    from unnest($2::text[], $3::text[]) as declared(name, type) join actual using (name)
    where actual.type <> format_type(declared.type::regtype, null)
  union all
  select 3, 'a column of its own may not be NULL and has no default' where exists (
    select from actual
    where demanded and name <> all($2::text[]) and name not in ('source_key', 'source_line', 'loaded_at'))
), key as (
  select 4 as rank, $4 || ' has no unique index of its own' as what where not ${hasUniqueKeySql('$1::regclass', '$4')}
)
select coalesce(array_agg(what order by rank, what), '{}') as misfits
from (select * from misfits union all select * from key) m`;

function refused({ table }: Dataset, misfits: readonly string[]): TidemarkFailure {
  return new TidemarkFailure(
    'BadRequest',
    `there is a table tickets.${table} that does not fit: ${misfits.join('; ')}. Nothing was changed`,
    {},
    `Mend it, or take it out of the way: alter table tickets.${table} rename to ${table}_before_tidemark; ` +
      'then: tidemark migrate; then copy its rows (docs/operations.md, moving in)',
  );
}
