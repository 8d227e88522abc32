/** The part of the ledger that a rebuild goes through. */

import { TidemarkFailure } from '../domain/failures.ts';
import type { Queryable } from './queryable.ts';

/** A ledger row and its file. */
export interface DeedRef {
  readonly id: number;
  readonly key: string;
}

/** A file that a rebuild may begin with. */
export interface BaseRef extends DeedRef {
  /** Rows of it. */
  readonly rows: number;
  /** Rows of it that were rejected, and left out. */
  readonly rejected: number;
  /** Whether the exporter's sentinel says that it was cut short. */
  readonly truncated: boolean;
}

/**
 * The ledger row of a file that was applied in its order; by default of the newest baseline, which may also be the file that
 * a rebuild with `--remove` began with: only that one has made the file the table's beginning.
 *
 * @param input.upTo the last ledger row to look at
 */
export async function findBase(
  db: Queryable,
  input: { readonly dataset: string; readonly key: string | null; readonly upTo: number | null },
): Promise<BaseRef | undefined> {
  const [base] = await db.query<BaseRef>(
    `select id::float8 as id, source_key as key, rows_read::float8 as rows,
       rows_rejected::float8 as rejected, coalesce((metadata ->> 'truncated')::boolean, false) as truncated
     from tickets.import_meta
     where dataset = $1 and export_type in ('baseline', 'delta') and ($3::bigint is null or id <= $3)
       and source_key = coalesce($2, (
         select source_key from tickets.import_meta
         where dataset = $1
           and (export_type = 'baseline' or export_type = 'rebuilt' and (metadata ->> 'removes')::boolean) and ($3::bigint is null or id <= $3)
         order by id desc limit 1))`,
    [input.dataset, input.key, input.upTo],
  );
  return base;
}

/** The ledger row by which a file was applied, however. */
export async function findApplied(
  db: Queryable,
  input: { readonly dataset: string; readonly key: string },
): Promise<DeedRef | undefined> {
  const [deed] = await db.query<DeedRef>(
    `select id::float8 as id, source_key as key from tickets.import_meta
     where dataset = $1 and source_key = $2 and export_type in ('baseline', 'delta', 'late')`,
    [input.dataset, input.key],
  );
  return deed;
}

/** Rows of the file of a ledger row that were alarms, which are not merged. */
export async function countAlarms(db: Queryable, id: number): Promise<number> {
  const [deed] = await db.query<{ alarms: number }>(
    'select rows_alarm::float8 as alarms from tickets.import_meta where id = $1',
    [id],
  );
  return deed?.alarms ?? 0;
}

/** What else is in a part of the ledger. */
export interface Around {
  /** Files that were loaded in it. */
  readonly files: number;
  /** Its last ledger row of such a file. */
  readonly newest: number;
  readonly bytes: number;
  /** What another loader did in it, which no file tells. */
  readonly adopted: string | null;
  /** Whether it begins with the dataset's first ledger row that put rows into the table. */
  readonly isWhole: boolean;
}

/** @param input.after the ledger row before it */
export async function lookAround(
  db: Queryable,
  input: { readonly dataset: string; readonly after: number; readonly upTo: number | null },
): Promise<Around> {
  const [around] = await db.query<Around>(
    `select count(*) filter (where export_type = any ($4))::float8 as files,
       coalesce(max(id) filter (where export_type = any ($4)), $2)::float8 as newest,
       coalesce(sum((metadata ->> 'bytes')::float8) filter (where export_type = any ($4)), 0)::float8 as bytes,
       max(source_key collate "C") filter (where export_type = 'adopted') as adopted,
       not exists (
         select from tickets.import_meta
         where dataset = $1 and id <= $2 and export_type in ('baseline', 'delta', 'late', 'reload', 'adopted')
       ) as "isWhole"
     from tickets.import_meta
     where dataset = $1 and id > $2 and ($3::bigint is null or id <= $3)`,
    [input.dataset, input.after, input.upTo, LOADS],
  );
  return around ?? { files: 0, newest: input.after, bytes: 0, adopted: null, isWhole: true };
}

/**
 * @param input.from the file that a rebuild begins with
 * @throws TidemarkFailure BadRequest where another loader had part in what it goes through
 */
export function refuseAdopted(
  { adopted }: Around,
  { dataset, from }: { readonly dataset: string; readonly from: string },
): void {
  if (adopted === null) return;
  throw new TidemarkFailure(
    'BadRequest',
    `what another loader did up to ${adopted} is not known`,
    { dataset, key: from },
    'Begin with a later file that has all tickets: tidemark rebuild <dataset> --from KEY --reason TEXT',
  );
}

/** Deeds that put rows of a file into the table. */
const LOADS = ['baseline', 'delta', 'late', 'reload'];

/** Where the ledger can be done again from, to lead to the table as it is. */
export interface Restart {
  /** The ledger row before the first to be merged. */
  readonly after: number;
  /** Whether rows still come from the file and line that this leads to. */
  readonly lineage: 'compared' | 'left';
}

/**
 * The last rebuild that removed what no file leads to has made the file that it began with the table's beginning; one that began
 * with a later file than the first has left rows as they were that only come from another file.
 */
export async function findRestart(
  db: Queryable,
  input: { readonly dataset: string; readonly upTo: number },
): Promise<Restart> {
  const [restart] = await db.query<{ after: number; whole: boolean }>(
    `select coalesce((
         array_agg((r.metadata ->> 'from_id')::bigint - 1 order by r.id desc)
           filter (where (r.metadata ->> 'removes')::boolean)
       )[1], 0)::float8 as after,
       coalesce(bool_and(not exists (
         select from tickets.import_meta m
         where m.dataset = $1 and m.id < (r.metadata ->> 'from_id')::bigint and m.export_type = any ($3)
       )), true) as whole
     from tickets.import_meta r
     where r.dataset = $1 and r.id <= $2 and r.export_type = 'rebuilt'`,
    [input.dataset, input.upTo, LOADS],
  );
  return { after: restart?.after ?? 0, lineage: restart?.whole === false ? 'left' : 'compared' };
}
