/** Several statements in one round trip: for small files, most of whose time goes to waiting and to system calls. */

import pg from 'pg';

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

type Done = (error: Error | null | undefined, answers?: readonly Answered[]) => void;

interface RoundTripInput {
  readonly statements: readonly Statement[];
  /** The name under which a text is prepared. */
  readonly nameOf: (text: string) => string;
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
export class RoundTrip {
  /** Called at the end; the driver wraps it, and calls it where a connection breaks or time is up. */
  callback: Done;
  readonly query_timeout: number;
  private readonly input: RoundTripInput;
  private readonly answers: Answered[] = [];
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
    const statement = prepared ? this.input.nameOf(text) : '';
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
    this.callback(null, this.answers);
  }
}
