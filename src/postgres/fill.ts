/**
 * Filling an empty table: the rows of a first baseline are COPYed straight into it, in the transaction that then applies
 * the file. Staging them, to copy them once more, takes twice the time.
 *
 * Nothing depends on the table staying empty: a key that another writer has stored meanwhile, or that the file repeats,
 * breaks the COPY by the primary key's own index, and the file is staged instead.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { stagingColumns } from '../rows/stagingColumns.ts';
import type { RowEnd } from '../rows/copyBlock.ts';
import { openCopy } from './copyIn.ts';
import { identifier } from './identifier.ts';
import type { Session } from './pool.ts';
import { targetTable } from './tables.ts';
import { hasUniqueKeySql } from './uniqueKey.ts';
import type { Ahead } from './writeAhead.ts';

/** PostgreSQL's epoch, 2000-01-01 00:00 UTC, microseconds. */
const EPOCH_MICROS = 946_684_800_000_000n;

/** Bits of `pg_trigger.tgtype`, as PostgreSQL's catalog/pg_trigger.h has them: for each row 1, before 2, insert 4. */
const EVENTS = 1 | 2 | 4;
const AFTER_EACH_INSERT = 1 | 4;

/** What stands behind a row's line: `source_key`, `loaded_at`. */
const LINEAGE = { source_key: 'text', source_line: 'bigint', loaded_at: 'timestamp with time zone' };

/** Begins to fill the dataset's table; undefined where it is not empty, or not as declared. */
export async function openFill(session: Session, dataset: Dataset, key: string): Promise<Ahead | undefined> {
  if (!(await canFill(session, dataset))) return undefined;
  const columns = [...stagingColumns(dataset), 'source_key', 'loaded_at'].map(identifier);
  const rowEnd = await lineage(session, key);
  const copy = openCopy(session, targetTable(dataset), columns);
  return {
    write: (block) => copy.write(block),
    finish: () => copy.finish(),
    rowEnd,
    found: ({ rows }) => ({ inserted: rows, updated: 0, unchanged: 0, stale: 0 }),
  };
}

/**
 * Whether the table is empty, takes rows as they are (no rules, no row security), sees a key that is there already, and has
 * the very types that are sent: in binary, a value for another type would be misread, not cast. Triggers that fire for each
 * new row, foreign keys among them, would all fire behind the last one, which may take longer than a COPY may be silent.
 */
async function canFill(session: Session, dataset: Dataset): Promise<boolean> {
  const types: Record<string, string> = { ...LINEAGE };
  for (const [name, { type }] of Object.entries(dataset.columns)) types[name] = type;
  const [table] = await session.query<{ fit: boolean }>(
    `select c.relkind in ('r', 'p') and not c.relhasrules and not c.relrowsecurity
       and not exists (select from ${targetTable(dataset)})
       and ${hasUniqueKeySql('c.oid', '$3')}
       and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgtype & ${EVENTS} = ${AFTER_EACH_INSERT})
       and not exists (
         select from unnest($1::text[], $2::text[]) as declared(name, type)
         where not exists (
           select from pg_attribute a
           where a.attrelid = c.oid and a.attname = declared.name and a.atttypid = declared.type::regtype
             and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
         )
       ) as fit
     from pg_class c where c.oid = '${targetTable(dataset)}'::regclass`,
    [Object.keys(types), Object.values(types), dataset.primaryKey],
  );
  return table?.fit ?? false;
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
