/** Staging: one file's rows, COPYed into a session's temporary table before any lock is taken. */

import { once } from 'node:events';
import { from as copyFrom } from 'pg-copy-streams';
import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { RowSink } from '../rows/row.ts';
import { stagingColumns } from '../rows/stagingColumns.ts';
import { fromPostgres } from './errors.ts';
import { identifier } from './identifier.ts';
import type { Session } from './pool.ts';

/** A COPY in progress. */
export interface Staging {
  readonly sink: RowSink;
  /** Ends the COPY. @returns the rows that PostgreSQL counted */
  finish(): Promise<number>;
}

/** The temporary table's name: one a dataset and session, emptied and used again, since one a file bloats the catalog. */
export function stagingTable(dataset: Dataset): string {
  return identifier(`tidemark_stage_${dataset.name}`);
}

/** Empties (or creates) the staging table and opens the COPY. Nothing is locked while it runs. */
export async function openStaging(session: Session, dataset: Dataset): Promise<Staging> {
  const table = stagingTable(dataset);
  const held = await empty(session, dataset);
  const names = stagingColumns(dataset).map(identifier).join(', ');
  const stream = session.client.query(copyFrom(`copy pg_temp.${table} (${names}) from stdin`));
  const broken = new Promise<never>((_resolve, reject) => {
    // pg hands a lost connection to the query that is active, so this hears of both.
    stream.on('error', (error) => reject(fromPostgres(error)));
  });
  // It is raced below; a COPY that breaks between two races must not count as unhandled.
  broken.catch(() => undefined);
  return {
    sink: {
      async write(block) {
        if (stream.write(block)) return;
        await inTime(session, Promise.race([once(stream, 'drain'), broken]));
      },
    },
    async finish() {
      const finished = once(stream, 'finish');
      stream.end();
      await inTime(session, Promise.race([finished, broken]));
      session.memory.set(table, held + stream.rowCount);
      return stream.rowCount;
    },
  };
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
async function empty(session: Session, dataset: Dataset): Promise<number> {
  const table = stagingTable(dataset);
  const held = session.memory.get(table);
  if (held === undefined) {
    const columns = Object.entries(dataset.columns).map(
      ([name, column]) => `${identifier(name)} ${column.type}`,
    );
    await session.query(
      `create temporary table ${table} (${columns.join(', ')}, source_line bigint not null)`,
    );
  } else if (held > FEW_ROWS) {
    await session.query(`truncate ${table}`);
  } else if (held > 0) {
    await session.queryPrepared(`delete from ${table}`);
  }
  // Until the COPY ends well nobody knows what it holds, and a connection on which it does not is destroyed.
  session.memory.set(table, FEW_ROWS + 1);
  return held === undefined || held > FEW_ROWS ? 0 : held;
}

/** PostgreSQL takes a block, or answers the end of a COPY, in time; else the attempt is given up. */
async function inTime<T>({ stallMs }: Session, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new TidemarkFailure('Stalled', `PostgreSQL took no bytes for ${stallMs / 1000} s`)),
      stallMs,
    );
  });
  try {
    return await Promise.race([work, stalled]);
  } finally {
    clearTimeout(timer);
  }
}
