import { once } from 'node:events';
import { from as copyFrom } from 'pg-copy-streams';
import { TidemarkFailure } from '../domain/failures.ts';
import type { RowSink } from '../rows/row.ts';
import { fromPostgres } from './errors.ts';
import type { Session } from './pool.ts';

/** What COPY's binary format begins with (no flags, no extension) and ends with. */
export const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const TRAILER = Buffer.from([0xff, 0xff]);

/** A COPY in progress. */
export interface CopyIn extends RowSink {
  /** Ends the COPY. @returns the rows that PostgreSQL counted */
  finish(): Promise<number>;
}

/** Begins a COPY of tuples in binary format into a table's columns; all names quoted. */
export function openCopy(session: Session, table: string, columns: readonly string[]): CopyIn {
  const stream = session.client.query(copyFrom(copySql(table, columns)));
  const broken = new Promise<never>((_resolve, reject) => {
    // pg hands a lost connection to the query that is active, so this hears of both.
    stream.on('error', (error) => reject(fromPostgres(error)));
  });
  // It is raced below; a COPY that breaks between two races must not count as unhandled.
  broken.catch(() => undefined);
  stream.write(SIGNATURE);
  return {
    write(block) {
      const taken = new Promise<void>((resolve, reject) => {
        stream.write(block, (error) => (error ? reject(fromPostgres(error)) : resolve()));
      });
      return inTime(session, Promise.race([taken, broken]));
    },
    async finish() {
      const finished = once(stream, 'finish');
      stream.end(TRAILER);
      await inTime(session, Promise.race([finished, broken]));
      return stream.rowCount;
    },
  };
}

/** A COPY of tuples in binary format; all names quoted. */
export function copySql(table: string, columns: readonly string[]): string {
  return `copy ${table} (${columns.join(', ')}) from stdin with (format binary)`;
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
