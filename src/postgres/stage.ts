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
import type { Statement } from './roundTrip.ts';

/** PostgreSQL takes a block, or answers the end of a COPY, within this; else the attempt is given up. */
const COPY_STALL_MS = 60_000;

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
  const { held, statement } = emptied(session, dataset);
  if (statement) await session.roundTrip([statement]);
  const stream = session.client.query(copyFrom(copySql(dataset)));
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
        await inTime(Promise.race([once(stream, 'drain'), broken]));
      },
    },
    async finish() {
      const finished = once(stream, 'finish');
      stream.end();
      await inTime(Promise.race([finished, broken]));
      session.memory.set(table, held + stream.rowCount);
      return stream.rowCount;
    },
  };
}

/**
 * A staging table is emptied by `delete`, three times as fast, until it has held this many rows since it was last
 * truncated: nobody vacuums a temporary table, so deleted rows stay in its pages.
 */
const FEW_ROWS = 2_000;

/**
 * How the staging table is emptied, or created where this connection has none: by no statement where it is empty.
 *
 * @returns also the rows, deleted ones too, that it has then held since it was last truncated
 */
export function emptied(
  session: Session,
  dataset: Dataset,
): { readonly held: number; readonly statement?: Statement } {
  const table = stagingTable(dataset);
  const held = session.memory.get(table);
  // Until the COPY ends well nobody knows what it holds, and a connection on which it does not is destroyed.
  session.memory.set(table, FEW_ROWS + 1);
  if (held === undefined) {
    const columns = Object.entries(dataset.columns).map(
      ([name, column]) => `${identifier(name)} ${column.type}`,
    );
    const text = `create temporary table ${table} (${columns.join(', ')}, source_line bigint not null)`;
    return { held: 0, statement: { text } };
  }
  if (held > FEW_ROWS) return { held: 0, statement: { text: `truncate ${table}` } };
  return held > 0 ? { held, statement: { text: `delete from ${table}`, prepared: true } } : { held };
}

/** The COPY into the staging table. */
export function copySql(dataset: Dataset): string {
  const names = stagingColumns(dataset).map(identifier).join(', ');
  return `copy pg_temp.${stagingTable(dataset)} (${names}) from stdin`;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new TidemarkFailure('Stalled', `PostgreSQL took no bytes for ${COPY_STALL_MS / 1000} s`)),
      COPY_STALL_MS,
    );
  });
  try {
    return await Promise.race([work, stalled]);
  } finally {
    clearTimeout(timer);
  }
}
