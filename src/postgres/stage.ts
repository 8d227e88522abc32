/** Staging: one file's rows, COPYed into a session's temporary table before any lock is taken. */

import type { Dataset } from '../datasets/dataset.ts';
import { stagingColumns } from '../rows/stagingColumns.ts';
import { openCopy, type CopyIn } from './copyIn.ts';
import { identifier } from './identifier.ts';
import type { Session } from './pool.ts';
import { stagingTable } from './tables.ts';

/** Empties (or creates) the staging table and opens the COPY. Nothing is locked while it runs. */
export async function openStaging(session: Session, dataset: Dataset): Promise<CopyIn> {
  const held = await emptyStaging(session, dataset);
  const columns = stagingColumns(dataset).map(identifier);
  const copy = openCopy(session, `pg_temp.${stagingTable(dataset)}`, columns);
  return {
    write: (block) => copy.write(block),
    async finish() {
      const rows = await copy.finish();
      rememberStaged(session, dataset, held + rows);
      return rows;
    },
  };
}

/** Creates a table for rows on their way. */
export function createStagingTable(dataset: Dataset, table: string): string {
  const columns = Object.entries(dataset.columns).map(
    ([name, column]) => `${identifier(name)} ${column.type}`,
  );
  return `create temporary table ${table} (${columns.join(', ')}, source_line bigint not null)`;
}

/**
 * A staging table is emptied by `delete`, three times as fast, until it has held this many rows since it was last
 * truncated: nobody vacuums a temporary table, so deleted rows stay in its pages.
 */
const FEW_ROWS = 10_000;

/**
 * Empties the staging table, or creates it where this connection has none.
 *
 * @returns the rows, deleted ones too, that it has held since it was last truncated
 */
export async function emptyStaging(session: Session, dataset: Dataset): Promise<number> {
  const table = stagingTable(dataset);
  const held = session.memory.get(table);
  if (held === undefined) {
    await session.query(createStagingTable(dataset, table));
  } else if (held > FEW_ROWS) {
    await session.query(`truncate ${table}`);
  } else if (held > 0) {
    await session.queryPrepared(`delete from ${table}`);
  }
  // Until the COPY ends well nobody knows what it holds, and a connection on which it does not is destroyed.
  rememberStaged(session, dataset, FEW_ROWS + 1);
  return held === undefined || held > FEW_ROWS ? 0 : held;
}

/** Remembers how many rows, deleted ones too, the staging table holds. */
export function rememberStaged(session: Session, dataset: Dataset, rows: number): void {
  session.memory.set(stagingTable(dataset), rows);
}
