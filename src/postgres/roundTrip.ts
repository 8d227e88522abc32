/** Several statements in one round trip: for small files, most of whose time goes to waiting and to system calls. */

import pg from 'pg';
import type { TidemarkFailure } from '../domain/failures.ts';
import { fromPostgres } from './errors.ts';

/** One of several statements. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly (string | number | null)[];
  /** Parsed and planned once a connection, as by `Session.queryPrepared`; absent: each time. */
  readonly prepared?: true;
  /** What a `copy … from stdin` is to take, whole. */
  readonly data?: readonly Buffer[];
}

/** What became of one statement. */
export interface Answered {
  readonly rows: readonly object[];
  /** Rows that it returned or wrote. */
  readonly count: number;
}

/** The part of the driver's connection that is used; its types in `@types/pg` are those of an older version. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  /** Texts of the prepared statements by their names; the driver's own queries go by it too. */
  readonly parsedStatements: Record<string, string>;
  parse(message: { text: string; name: string }): void;
  bind(message: { statement: string; values: readonly (string | null)[] }): void;
  describe(message: { type: 'P'; name: '' }): void;
  execute(message: object): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sync(): void;
}

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

type Done = (error: Error | null | undefined) => void;

interface RoundTripInput {
  readonly statements: readonly Statement[];
  /** After which the driver gives up, in milliseconds. */
  readonly timeout: number;
  readonly done: Done;
}

/**
 * A query, in the driver's sense, of several statements of the extended protocol before one Sync. PostgreSQL runs them
 * in their order. The first that fails ends them: those behind it are not run, and an open transaction is aborted.
 *
 * A COPY's data follows it at once. Where the COPY fails, PostgreSQL leaves the data out with the rest.
 */
class RoundTrip {
  /** Called at the end; the driver wraps it, and calls it where a connection breaks or time is up. */
  callback: Done;
  readonly query_timeout: number;
  /** As they come, in the statements' order. */
  readonly answers: Answered[] = [];
  private readonly input: RoundTripInput;
  private fields: readonly Field[] = [];
  private rows: object[] = [];

  constructor(input: RoundTripInput) {
    this.input = input;
    this.callback = input.done;
    this.query_timeout = input.timeout;
  }

  submit(connection: unknown): void {
    const wire = connection as Wire;
    wire.stream.cork();
    try {
      for (const statement of this.input.statements) this.send(wire, statement);
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
  }

  private send(wire: Wire, { text, values = [], prepared, data }: Statement): void {
    const statement = prepared ? nameOf(text) : '';
    if (!prepared || wire.parsedStatements[statement] === undefined) wire.parse({ text, name: statement });
    // Noted before it is true: a connection on which it fails is not used again.
    if (prepared) wire.parsedStatements[statement] = text;
    wire.bind({ statement, values: values.map((value) => (value === null ? null : String(value))) });
    wire.describe({ type: 'P', name: '' });
    wire.execute({});
    if (!data) return;
    for (const block of data) wire.sendCopyFromChunk(block);
    wire.endCopyFrom();
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.fields = fields;
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const row: Record<string, unknown> = {};
    for (const [i, { name, dataTypeID }] of this.fields.entries()) {
      const value = fields[i] ?? null;
      row[name] = value === null ? null : (pg.types.getTypeParser(dataTypeID)(value) as unknown);
    }
    this.rows.push(row);
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    // `INSERT 0 5`, `COPY 5`, `SELECT 1`; `BEGIN` has none.
    this.answers.push({ rows: this.rows, count: Number(/ (\d+)$/.exec(text)?.[1] ?? 0) });
    this.fields = [];
    this.rows = [];
  }

  handleCopyInResponse(): void {
    // The data is on its way already.
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(null);
  }
}

/** Asks by the driver, which gives up after a time, in milliseconds. */
export type Ask<T> = (timeoutMs: number) => Promise<T>;

/** What the driver threw, as ours: what the server says of a statement, else what has broken the connection. */
export function failureOf(error: unknown, broken: () => Error | undefined): TidemarkFailure {
  return fromPostgres(error instanceof pg.DatabaseError ? error : (broken() ?? error));
}

/** A round trip, to be asked for. */
export function roundTrip(client: pg.PoolClient, statements: readonly Statement[]): Ask<readonly Answered[]> {
  return async (timeout) => {
    const { answers, failure } = await sent(client, statements, timeout);
    if (failure) throw failure;
    return answers;
  };
}

/**
 * See `Session.roundTripOfTwo`.
 *
 * @param broken what has broken the connection, if anything
 */
export function roundTripOfTwo(
  client: pg.PoolClient,
  broken: () => Error | undefined,
  first: readonly Statement[],
  second: readonly Statement[],
): Ask<readonly [readonly Answered[], readonly Answered[] | TidemarkFailure]> {
  return async (timeout) => {
    const { answers, failure } = await sent(client, [...first, ...second], timeout);
    if (!failure) return [answers.slice(0, first.length), answers.slice(first.length)];
    if (answers.length < first.length) throw failure;
    return [answers.slice(0, first.length), failureOf(failure, broken)];
  };
}

/** What became of several. */
interface Sent {
  /** Of the statements that were answered, which are the first ones where one failed. */
  readonly answers: readonly Answered[];
  readonly failure?: Error;
}

function sent(client: pg.PoolClient, statements: readonly Statement[], timeout: number): Promise<Sent> {
  return new Promise((resolve) => {
    const trip = new RoundTrip({
      statements,
      timeout,
      done: (failure) => resolve({ answers: trip.answers, ...(failure && { failure }) }),
    });
    client.query(trip);
  });
}

const names = new Map<string, string>();

/** A short name for a prepared statement: texts are few, one a dataset and deed. */
export function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = `tidemark_${names.size}`;
  names.set(text, name);
  return name;
}
