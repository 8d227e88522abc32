/** Staging: one file's rows, COPYed into a session's temporary table before any lock is taken. */

import type { Dataset } from '../datasets/dataset.ts';
import { stagingColumns } from '../rows/stagingColumns.ts';
import { openCopy, type CopyIn } from './copyIn.ts';
import { identifier } from './identifier.ts';
import type { Session } from './pool.ts';
import type { Statement } from './roundTrip.ts';
import { stagingTable } from './tables.ts';

/** Empties (or creates) the staging table and opens the COPY. Nothing is locked while it runs. */
export async function openStaging(session: Session, dataset: Dataset): Promise<CopyIn> {
  await createStaging(session, dataset);
  const { held, statement } = emptied(session, dataset);
  if (statement) await session.roundTrip([statement]);
  const copy = openCopy(session, `pg_temp.${stagingTable(dataset)}`, stagedColumns(dataset));
  return {
    write: (block) => copy.write(block),
    async finish() {
      const rows = await copy.finish();
      rememberStaged(session, dataset, held + rows);
      return rows;
    },
  };
}

/** The columns of a staged row, quoted. */
export function stagedColumns(dataset: Dataset): readonly string[] {
  return stagingColumns(dataset).map(identifier);
}

/** Creates a table for rows on their way, where the connection has none. */
export function createStagingTable(dataset: Dataset, table: string): string {
  const columns = Object.entries(dataset.columns).map(
    ([name, column]) => `${identifier(name)} ${column.type}`,
  );
  return `create temporary table if not exists ${table} (${columns.join(', ')}, source_line bigint not null)`;
}

/**
 * A staging table is emptied by `delete`, three times as fast, until it has held this many rows since it was last
 * truncated: nobody vacuums a temporary table, so deleted rows stay in its pages.
 */
const FEW_ROWS = 2_000;

/**
 * How the staging table, which this connection has, is emptied: by no statement where it is empty.
 *
 * @returns also the rows, deleted ones too, that it has then held since it was last truncated
 */
export function emptied(
  session: Session,
  dataset: Dataset,
): { readonly held: number; readonly statement?: Statement } {
  const table = stagingTable(dataset);
  const held = session.memory.get(table) ?? 0;
  // Until its rows are there to stay nobody knows what it holds: it is truncated next time.
  rememberStaged(session, dataset, FEW_ROWS + 1);
  if (held > FEW_ROWS) return { held: 0, statement: { text: `truncate ${table}` } };
  return held > 0 ? { held, statement: { text: `delete from ${table}`, prepared: true } } : { held };
}

/** Creates the staging table where this connection has none. */
export async function createStaging(session: Session, dataset: Dataset): Promise<void> {
  const table = stagingTable(dataset);
  if (session.memory.has(table)) return;
  await session.roundTrip([{ text: createStagingTable(dataset, table) }]);
  rememberStaged(session, dataset, 0);
}

/** Remembers how many rows, deleted ones too, the staging table holds. */
export function rememberStaged(session: Session, dataset: Dataset, rows: number): void {
  session.memory.set(stagingTable(dataset), rows);
}
