import { once } from 'node:events';
import { from as copyFrom } from 'pg-copy-streams';
import { TidemarkFailure } from '../domain/failures.ts';
import type { RowSink } from '../rows/row.ts';
import { fromPostgres } from './errors.ts';
import { breakOff } from './liveness.ts';
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
  let failure: TidemarkFailure | undefined;
  const broken = new Promise<never>((_resolve, reject) => {
    // pg hands a lost connection to the query that is active, so this hears of both.
    stream.on('error', (error) => {
      failure = fromPostgres(error);
      // Blocks that still wait would be written to a connection that the stream no longer has, and end the process.
      breakOff(session.client);
      reject(failure);
    });
  });
  // It is raced below; a COPY that breaks between two races must not count as unhandled.
  broken.catch(() => undefined);
  stream.write(SIGNATURE);
  const clock = new StallClock(session.stallMs);
  return {
    write(block) {
      // A stream that broke while no block was on its way says of the next one only that it is closed.
      if (failure) return Promise.reject(failure);
      const taken = new Promise<void>((resolve, reject) => {
        stream.write(block, (error) => {
          clock.reset();
          if (error) reject(failure ?? fromPostgres(error));
          else resolve();
        });
      });
      return clock.watch(Promise.race([broken, taken]));
    },
    async finish() {
      if (failure) throw failure;
      const finished = once(stream, 'finish');
      stream.end(TRAILER);
      await clock.watch(Promise.race([broken, finished]));
      return stream.rowCount;
    },
  };
}

/** A COPY of tuples in binary format; all names quoted. */
export function copySql(table: string, columns: readonly string[]): string {
  return `copy ${table} (${columns.join(', ')}) from stdin with (format binary)`;
}

/** PostgreSQL takes a block of those that wait, or answers the end of a COPY, in time; else the attempt is given up. */
class StallClock {
  private readonly ms: number;
  private since = 0;

  constructor(ms: number) {
    this.ms = ms;
  }

  /** A block was taken. */
  reset(): void {
    this.since = performance.now();
  }

  async watch<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const begun = performance.now();
    const stalled = new Promise<never>((_resolve, reject) => {
      const look = (): void => {
        const left = Math.max(begun, this.since) + this.ms - performance.now();
        if (left > 1) timer = setTimeout(look, left);
        else reject(new TidemarkFailure('Stalled', `PostgreSQL took no bytes for ${this.ms / 1000} s`));
      };
      look();
    });
    try {
      return await Promise.race([work, stalled]);
    } finally {
      clearTimeout(timer);
    }
  }
}
