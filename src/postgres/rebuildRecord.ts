/** A rebuild as it was asked for, and how far it is: `tickets.rebuilds`. */

import type { Dataset } from '../datasets/dataset.ts';
import { definitionOf } from '../datasets/definition.ts';
import type { Difference } from '../domain/difference.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Queryable } from './queryable.ts';

/** What is asked for; the rest of the row is written by who carries it out. */
export interface RebuildRequest {
  readonly dataset: string;
  /** The file to begin with; absent: the newest baseline. */
  readonly from?: string | undefined;
  /** The file after which the table is wanted, under another name. */
  readonly asOf?: string | undefined;
  /** Whether tickets that no file leads to are removed. */
  readonly removes: boolean;
  /** user@host */
  readonly who: string;
  readonly reason: string;
}

/** `asked` → `building` → `compared` → `applied` or `dropped`; with `asOf`: `building` → `kept` or `dropped`. */
export type RebuildState = 'asked' | 'building' | 'compared' | 'applied' | 'kept' | 'dropped';

/** A row of `tickets.rebuilds`. */
export interface Rebuild {
  readonly id: number;
  readonly dataset: string;
  readonly from: string | null;
  readonly asOf: string | null;
  readonly removes: boolean;
  readonly who: string;
  readonly reason: string;
  readonly state: RebuildState;
  readonly runId: string | null;
  readonly baseKey: string | null;
  readonly baseId: number;
  /** The last ledger row that it may merge; null: whatever comes. */
  readonly upTo: number | null;
  /** The ledger row merged last. */
  readonly lastDeed: number;
  /** Whether file and line from which a row comes are compared too. */
  readonly lineage: boolean;
  readonly filesTotal: number;
  readonly filesDone: number;
  readonly rowsBuilt: number;
  /** In the schema `tickets_rebuild`. */
  readonly table: string | null;
  readonly difference: Difference | null;
  /** `definitionOf` the dataset when it began. */
  readonly definition: string | null;
}

const COLUMNS = `id::float8 as id, dataset, from_key as "from", as_of_key as "asOf", removes, who, reason, state,
  run_id as "runId", base_key as "baseKey", base_id::float8 as "baseId", up_to::float8 as "upTo",
  last_deed::float8 as "lastDeed", lineage, files_total::float8 as "filesTotal", files_done::float8 as "filesDone",
  rows_built::float8 as "rowsBuilt", built_table as "table", difference, definition`;

/** Notes what is asked for. @returns the rebuild's id */
export async function askRebuild(db: Queryable, request: RebuildRequest): Promise<number> {
  const { dataset, from = null, asOf = null, removes, who, reason } = request;
  const [row] = await db.query<{ id: number }>(
    `insert into tickets.rebuilds (dataset, from_key, as_of_key, removes, who, reason)
     values ($1, $2, $3, $4, $5, $6) returning id::float8 as id`,
    [dataset, from, asOf, removes, who, reason],
  );
  if (!row) throw new TidemarkFailure('InternalError', 'a rebuild got no id');
  return row.id;
}

/** Takes back what was asked for, and not begun. */
export async function withdrawRebuild(db: Queryable, id: number): Promise<void> {
  await db.query('select tickets.withdraw_rebuild($1)', [id]);
}

/** @throws TidemarkFailure BadRequest where there is none */
export async function readRebuild(db: Queryable, id: number): Promise<Rebuild> {
  return found(await db.query<Rebuild>(`select ${COLUMNS} from tickets.rebuilds where id = $1`, [id]));
}

/** The same, held until the transaction ends: who merges into the build is the only one. */
export async function lockRebuild(db: Queryable, id: number): Promise<Rebuild> {
  return found(
    await db.query<Rebuild>(`select ${COLUMNS} from tickets.rebuilds where id = $1 for update`, [id]),
  );
}

function found([rebuild]: readonly Rebuild[]): Rebuild {
  if (rebuild) return rebuild;
  throw new TidemarkFailure('BadRequest', 'there is no such rebuild', {}, 'Ask for one: tidemark rebuild');
}

/** @throws TidemarkFailure BadRequest where its other files were read by another definition of the dataset */
export function checkDefinition({ definition }: Rebuild, dataset: Dataset): void {
  if (definition === definitionOf(dataset)) return;
  throw new TidemarkFailure(
    'BadRequest',
    'this rebuild began with another definition of the dataset; nothing was changed',
    { dataset: dataset.name },
    'Ask for a new one: tidemark rebuild <dataset> --reason TEXT',
  );
}

/**
 * The rebuilds of a dataset that have not come to an end, but for one, held until the transaction ends: none of them comes
 * to one meanwhile. Of those that were not begun only earlier ones.
 */
export function lockOpenRebuilds(
  db: Queryable,
  input: { readonly dataset: string; readonly but: number },
): Promise<Rebuild[]> {
  return db.query<Rebuild>(
    `select ${COLUMNS} from tickets.rebuilds
     where dataset = $1 and id <> $2 and (state in ('building', 'compared') or state = 'asked' and id < $2)
     order by id for update`,
    [input.dataset, input.but],
  );
}

/** Columns that may be written, by their names here. */
const WRITTEN = {
  state: 'state',
  runId: 'run_id',
  baseId: 'base_id',
  baseKey: 'base_key',
  upTo: 'up_to',
  lastDeed: 'last_deed',
  lineage: 'lineage',
  filesTotal: 'files_total',
  filesDone: 'files_done',
  rowsBuilt: 'rows_built',
  table: 'built_table',
  difference: 'difference',
  definition: 'definition',
} as const;

type Changes = { readonly [Name in keyof typeof WRITTEN]?: Rebuild[Name] };

/** Notes how far a rebuild is. An end gets its time. */
export async function noteRebuild(db: Queryable, id: number, changes: Changes): Promise<void> {
  const names = Object.keys(changes) as (keyof Changes)[];
  const set = names.map((name, i) => `${WRITTEN[name]} = $${i + 2}`);
  if (changes.state !== undefined && ['applied', 'kept', 'dropped'].includes(changes.state)) {
    set.push('ended_at = clock_timestamp()');
  }
  const values = names.map((name) =>
    name === 'difference' ? JSON.stringify(changes[name]) : (changes[name] ?? null),
  );
  await db.query(`update tickets.rebuilds set ${set.join(', ')} where id = $1`, [id, ...values]);
}

/** A row that was found to be otherwise. */
export interface FoundRow {
  readonly finding: 'missing' | 'different' | 'extra';
  readonly key: string;
  readonly line: number;
  /** Only where asked for. */
  readonly ticket: string | null;
}

/** The first rows of each finding, by file and line. */
export function readFoundRows(
  db: Queryable,
  input: { readonly id: number; readonly limit: number; readonly values: 'withheld' | 'shown' },
): Promise<FoundRow[]> {
  return db.query<FoundRow>(
    `select finding, source_key as key, source_line::float8 as line,
       ${input.values === 'shown' ? 'ticket' : 'null::text'} as ticket
     from (
       select *, row_number() over (partition by finding order by source_key collate "C", source_line, ticket) as place
       from tickets.rebuild_rows where rebuild = $1
     ) f where place <= $2 order by finding, place`,
    [input.id, input.limit],
  );
}
