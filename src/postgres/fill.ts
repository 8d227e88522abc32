/**
 * Filling an empty table: the rows of a first baseline are COPYed straight into it, in the transaction that then applies
 * the file. Staging them, to copy them once more, takes twice the time.
 *
 * Nothing depends on the table staying empty: a key that another writer has stored meanwhile, or that the file repeats,
 * breaks the COPY by the primary key's own index, and the file is staged instead.
 *
 * Rows so written are locks: another attempt's rows of the same keys wait for them. And a COPY that a frozen worker has
 * stopped feeding is ended by none of PostgreSQL's time-outs. So there is one fill of a dataset at a time, under an
 * advisory lock, and who waits in vain for one that is given no more bytes ends it. How long a fill may go on is for the
 * watch on its bytes to say, not for the time limit of a statement.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { RowEnd } from '../rows/copyBlock.ts';
import { stagingColumns } from '../rows/stagingColumns.ts';
import { openCopy, type CopyIn } from './copyIn.ts';
import { identifier, plainName } from './identifier.ts';
import type { Session } from './pool.ts';
import { targetTable } from './tables.ts';

/** How long to wait for another fill, milliseconds; it is also how long that one may take no bytes. */
const PATIENCE_MS = 30_000;
/** The advisory lock's first key; the second is the dataset. */
const FILL = 0x74_69_64_65;
/** PostgreSQL's epoch, 2000-01-01 00:00 UTC, microseconds. */
const EPOCH_MICROS = 946_684_800_000_000n;

/** What stands behind a row's line: `source_key`, `loaded_at`. */
const LINEAGE = { source_key: 'text', source_line: 'bigint', loaded_at: 'timestamp with time zone' };

/** A fill in progress, in an open transaction. */
export interface Fill extends CopyIn {
  /** What every row must end with. */
  readonly rowEnd: RowEnd;
}

/** Begins to fill the dataset's table; undefined, and no transaction open, where it is not empty, or not as declared. */
export async function openFill(
  session: Session,
  dataset: Dataset,
  key: string,
  patienceMs = PATIENCE_MS,
): Promise<Fill | undefined> {
  if (!(await canFill(session, dataset))) return undefined;
  await beginAlone(session, dataset, patienceMs);
  // Once more: who held the lock may have filled it.
  if (!(await canFill(session, dataset))) {
    await session.query('rollback');
    return undefined;
  }
  const columns = [...stagingColumns(dataset), 'source_key', 'loaded_at'].map(identifier);
  const rowEnd = await lineage(session, key);
  const copy = openCopy(session, targetTable(dataset), columns);
  return { write: (block) => copy.write(block), finish: () => copy.finish(), rowEnd };
}

/** Whether a failure of a fill says nothing of the file: staged, and merged with what is stored, it may well load. */
export function isFillFailure(error: unknown): boolean {
  const code = error instanceof TidemarkFailure ? error.details.code : undefined;
  // Constraints; what a COPY into the table cannot do. All else is the same when staged.
  return code !== undefined && /^(23|0A|42)/.test(code);
}

/**
 * Whether the table is empty, takes rows as they are (no rules, no row security), and has the very types that are sent:
 * in binary, a value for another type would be misread, not cast.
 */
async function canFill(session: Session, dataset: Dataset): Promise<boolean> {
  const types: Record<string, string> = { ...LINEAGE };
  for (const [name, { type }] of Object.entries(dataset.columns)) types[name] = type;
  const [table] = await session.query<{ fit: boolean }>(
    `select c.relkind in ('r', 'p') and not c.relhasrules and not c.relrowsecurity
       and not exists (select from ${targetTable(dataset)})
       and not exists (
         select from unnest($1::text[], $2::text[]) as declared(name, type)
         where not exists (
           select from pg_attribute a
           where a.attrelid = c.oid and a.attname = declared.name and a.atttypid = declared.type::regtype
             and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
         )
       ) as fit
     from pg_class c where c.oid = '${targetTable(dataset)}'::regclass`,
    [Object.keys(types), Object.values(types)],
  );
  return table?.fit ?? false;
}

/**
 * Waits for another fill of the table, which may keep rows locked that a load needs; one that is frozen is ended.
 *
 * @throws TidemarkFailure PostgresBusy where it goes on
 */
export async function outlastFill(session: Session, dataset: Dataset): Promise<void> {
  await beginAlone(session, dataset, PATIENCE_MS);
  await session.query('rollback');
}

/** Begins a transaction in which nobody else fills the dataset's table. */
async function beginAlone(session: Session, dataset: Dataset, patienceMs: number): Promise<void> {
  const before = await progressOfOther(session, dataset);
  try {
    await session.queryLong(
      `begin isolation level read committed; set local lock_timeout = ${patienceMs};
       set local statement_timeout = 0;
       select pg_advisory_xact_lock(${FILL}, hashtext('${plainName(dataset.name)}'))`,
    );
  } catch (error) {
    if (!(error instanceof TidemarkFailure && error.kind === 'PostgresBusy')) throw error;
    await session.query('rollback');
    const now = await progressOfOther(session, dataset);
    if (before && now && before.pid === now.pid && before.bytes === now.bytes) await end(session, now.pid);
    throw error;
  }
}

/** Ends a session, unless it is one of a role that this one may not end: then who waits fails as busy. */
async function end(session: Session, pid: number): Promise<void> {
  await session.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where pid = $1 and (pg_has_role(usesysid, 'usage') or pg_has_role('pg_signal_backend', 'usage'))`,
    [pid],
  );
}

/** Who fills the dataset's table and waits for his client, and the bytes that his COPY has taken so far. */
async function progressOfOther(
  session: Session,
  dataset: Dataset,
): Promise<{ pid: number; bytes: string } | undefined> {
  const [holder] = await session.query<{ pid: number; bytes: string }>(
    `select l.pid, coalesce(p.bytes_processed, 0)::text as bytes
     from pg_locks l
     join pg_stat_activity a on a.pid = l.pid and a.wait_event = 'ClientRead'
     left join pg_stat_progress_copy p on p.pid = l.pid
     where l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.classid = ${FILL}::oid
       and l.objid = hashtext($1)::bit(32)::bigint::oid
       and l.database = (select oid from pg_database where datname = current_database())`,
    [dataset.name],
  );
  return holder;
}

/** The file's key and the transaction's time, as `now()` has it, in COPY's binary form. */
async function lineage(session: Session, key: string): Promise<RowEnd> {
  const [time] = await session.query<{ micros: string }>(
    `select (extract(epoch from now()) * 1000000)::bigint::text as micros`,
  );
  const name = Buffer.from(key);
  const bytes = Buffer.alloc(4 + name.length + 12);
  bytes.writeInt32BE(name.length, 0);
  name.copy(bytes, 4);
  bytes.writeInt32BE(8, 4 + name.length);
  bytes.writeBigInt64BE(BigInt(time?.micros ?? 0) - EPOCH_MICROS, 8 + name.length);
  return { fields: 2, bytes };
}
