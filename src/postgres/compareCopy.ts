/**
 * A dataset's table compared with a copy that its files were merged into anew (`rehearse.ts`), by hashes of the columns.
 *
 * The table is taken at one moment together with the ledger, as hashes, in a transaction that is over before the first
 * file is read: no snapshot is held while S3 is waited for, and no lock at any time.
 */

import { randomInt } from 'node:crypto';
import type { Dataset } from '../datasets/dataset.ts';
import { identifier } from './identifier.ts';
import type { Session } from './pool.ts';
import { rehearsalTable } from './rehearse.ts';
import { targetTable } from './tables.ts';

const LIVE = 'pg_temp.tidemark_verify_live';
const UNREAD = 'pg_temp.tidemark_verify_unread';
const FOUND = 'pg_temp.tidemark_verify_found';

/** Rows told one by one. */
const MAX_SAMPLES = 20;

/** Which file and line a row comes from; compared only where the whole history is there. */
const LINEAGE = ['source_key', 'source_line'];

/** The table at one moment. */
export interface TableMoment {
  /** The ledger's newest row at that moment, 0 before the first. */
  readonly newest: number;
  readonly deeds: number;
  /** Of the hashes: nobody can choose values that collide. */
  readonly seed: number;
}

/** Takes the table's hashes and the ledger's end at one moment. */
export async function takeMoment(session: Session, dataset: Dataset): Promise<TableMoment> {
  const seed = randomInt(2 ** 47);
  await session.query('begin isolation level repeatable read');
  const [ledger] = await session.query<Omit<TableMoment, 'seed'>>(
    `select coalesce(max(id), 0)::float8 as newest, count(*)::float8 as deeds
     from tickets.import_meta where dataset = $1`,
    [dataset.name],
  );
  await session.queryLong(
    `create temporary table tidemark_verify_live as
     select t.${identifier(dataset.primaryKey)} as pk, t.source_key, t.source_line,
       ${hashes(dataset, seed)} as hashes
     from ${targetTable(dataset)} t`,
  );
  await session.query('create temporary table tidemark_verify_unread (key text primary key)');
  await session.query('commit');
  return { newest: ledger?.newest ?? 0, deeds: ledger?.deeds ?? 0, seed };
}

/** Notes a file that could not be merged: rows that come from it cannot be judged. */
export async function noteUnread(session: Session, key: string): Promise<void> {
  await session.query(`insert into ${UNREAD} values ($1) on conflict do nothing`, [key]);
}

/** A row that is not as the files have it. */
export interface FoundRow {
  readonly finding: 'missing' | 'extra' | 'different';
  /** Of the row that the files lead to; of an extra row of the stored one. */
  readonly key: string;
  readonly line: number;
  /** Only where asked for. */
  readonly ticketId: string | null;
}

/** What a comparison found. */
export interface TableComparison {
  readonly stored: number;
  readonly expected: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  /** Rows of which it cannot be said: what wrote them, or may have, is not there. */
  readonly unverifiable: number;
  /** In how many of the different rows a column differs; only columns that do. */
  readonly columns: Readonly<Record<string, number>>;
  /** The first 20 of each finding, by file and line. */
  readonly rows: readonly FoundRow[];
}

/** How to compare. */
export interface CompareInput {
  readonly dataset: Dataset;
  readonly moment: TableMoment;
  /** Another loader wrote before: rows of no file of the ledger are its own. */
  readonly adopted: 'none' | 'some';
  /** Files that were noted as not merged. */
  readonly unread: number;
  /** Whether file and line from which a row comes are compared. */
  readonly lineage: 'compared' | 'left';
  readonly values: 'withheld' | 'shown';
}

/** Compares the copy with the table as it was taken. */
export async function compareCopy(session: Session, input: CompareInput): Promise<TableComparison> {
  const { dataset, adopted, unread, values } = input;
  await session.queryLong(`analyze ${LIVE}; analyze ${rehearsalTable(dataset)}`);
  await session.queryLong(foundSql(input), [
    dataset.name,
    input.moment.newest,
    adopted === 'some',
    unread > 0,
  ]);
  const names = comparedColumns(dataset);
  const columns = names.map((_, i) => `count(*) filter (where differs[${i + 1}])::float8`);
  const [row] = await session.queryLong<Omit<TableComparison, 'columns' | 'rows'> & { columns: number[] }>(
    `select (select count(*) from ${LIVE})::float8 as stored,
       (select count(*) from ${rehearsalTable(dataset)})::float8 as expected,
       ${['missing', 'extra', 'different', 'unverifiable']
         .map((finding) => `count(*) filter (where finding = '${finding}')::float8 as ${finding}`)
         .join(', ')},
       array[${columns.join(', ')}] as columns
     from ${FOUND}`,
  );
  if (!row) throw new Error('a count gave no row');
  const rows = await session.queryLong<FoundRow>(
    `select finding, source_key as key, source_line::float8 as line,
       ${values === 'shown' ? 'pk' : 'null::text'} as "ticketId"
     from (
       select *, row_number() over (partition by finding order by source_key collate "C", source_line) as place
       from ${FOUND} where finding <> 'unverifiable'
     ) f where place <= ${MAX_SAMPLES} order by finding, place`,
  );
  const counted = names.map((name, i) => [name, row.columns[i] ?? 0] as const);
  return { ...row, columns: Object.fromEntries(counted.filter(([, n]) => n > 0)), rows };
}

/** Writes the rows that are not as the files have them. $1 dataset, $2 its newest deed, $3 adopted, $4 some unread. */
function foundSql({ dataset, moment, adopted, unread, lineage }: CompareInput): string {
  const names = comparedColumns(dataset);
  const whole = adopted === 'none' && unread === 0 && lineage === 'compared';
  // With a gap in the history a row may have got the same values from another file.
  const compared = whole ? names.length : names.length - LINEAGE.length;
  const differs = names.map((_, i) => (i < compared ? `e.hashes[${i + 1}] <> l.hashes[${i + 1}]` : 'false'));
  return `
create temporary table tidemark_verify_found as
with expected as (
  select t.${identifier(dataset.primaryKey)} as pk, t.source_key, t.source_line,
    ${hashes(dataset, moment.seed)} as hashes
  from ${rehearsalTable(dataset)} t
), loaded as (
  select distinct source_key from tickets.import_meta
  where dataset = $1 and id <= $2 and export_type in ('baseline', 'delta', 'late', 'reload')
), judged as (
  select coalesce(e.pk, l.pk) as pk, coalesce(e.source_key, l.source_key) as source_key,
    coalesce(e.source_line, l.source_line) as source_line,
    case
      when l.pk is null then 'missing'
      when e.hashes[:${compared}] = l.hashes[:${compared}] then 'same'
      when $4 and l.source_key in (select key from ${UNREAD}) then 'unverifiable'
      when $3 and l.source_key not in (select source_key from loaded) then 'unverifiable'
      when e.pk is null then 'extra'
      else 'different'
    end as finding,
    array[${differs.join(', ')}] as differs
  from ${LIVE} l full join expected e on e.pk = l.pk
)
select pk, source_key, source_line, finding,
  case when finding = 'different' then differs end as differs
from judged where finding <> 'same'`;
}

function comparedColumns(dataset: Dataset): readonly string[] {
  return [...Object.keys(dataset.columns).filter((name) => name !== dataset.primaryKey), ...LINEAGE];
}

/** One hash a column, equal for values that are equal to PostgreSQL. */
function hashes(dataset: Dataset, seed: number): string {
  const each = comparedColumns(dataset).map(
    (name) => `hash_record_extended(row(t.${identifier(name)}), ${seed})`,
  );
  return `array[${each.join(', ')}]`;
}
