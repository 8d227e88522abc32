/**
 * The fence: the dataset's `dataset_state` row, and what the ledger says to who holds it.
 *
 * Whoever holds it is the only one to decide about the dataset (`turn.ts`), and decides from the ledger.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { noteRows, plannedFor } from './keptPlan.ts';
import { lastDeedSql } from './ledgerVersion.ts';
import { limitsOf, SET_LOAD_LIMITS, type LockPatience } from './limits.ts';
import type { Session } from './pool.ts';
import type { Answered, Statement } from './roundTrip.ts';
import { targetTable } from './tables.ts';

/** What the ledger says of a dataset and a file, to who holds the fence. */
export interface Fence {
  readonly watermark: string | null;
  readonly ledgerVersion: string;
  /** Of the table, as the ledger counts them. */
  readonly rows: number;
  readonly known: boolean;
  readonly skipped: boolean;
  /** A file between the watermark and this one was refused or has vanished, and is not dealt with. */
  readonly stopped: boolean;
}

/** Begins the transaction. */
export const BEGIN: Statement = { text: 'begin isolation level read committed', prepared: true };

/** Whose row is locked, and which file is asked about. */
interface FenceInput {
  readonly dataset: Dataset;
  readonly key: string;
  readonly etag: string;
  readonly patience: LockPatience;
}

/** What goes with the fence in its round trip: without waiting for what it says, which the transaction's end has to heed. */
interface Around {
  readonly before?: readonly Statement[];
  /** Between the limits and the lock: what may take long to be sent, or wait for others' rows. */
  readonly kept?: readonly Statement[];
  readonly behind?: readonly Statement[];
}

/** The fence, and what became of the statements around it. */
export interface Fenced {
  readonly fence: Fence;
  readonly before: readonly Answered[];
  readonly behind: readonly Answered[];
}

/**
 * Locks the dataset's row and asks the ledger, in one round trip. The question is a statement of its own, behind the
 * lock: its snapshot is later.
 */
export async function fenced(session: Session, input: FenceInput, around: Around): Promise<Fenced> {
  const { statements, result } = fencing(session, input, around);
  // What is kept may wait for a lock of its own, and take long to be sent.
  return result(
    await (around.kept?.length ? session.roundTripLong(statements) : session.roundTrip(statements)),
  );
}

/** The statements of it, and what their answers come to. */
export function fencing(
  session: Session,
  { dataset, key, etag, patience }: FenceInput,
  { before = [], kept = [], behind = [] }: Around,
): { readonly statements: readonly Statement[]; result(answers: readonly Answered[]): Fenced } {
  const lock: readonly Statement[] = [
    { text: SET_LOAD_LIMITS, values: limitsOf(patience), prepared: true },
    ...kept,
    { text: LOCK_DATASET, values: [dataset.name], prepared: true },
    { text: plannedFor(session, LEDGER, FENCE), values: [dataset.name, key, etag], prepared: true },
  ];
  const locked = before.length + lock.length;
  return {
    statements: [...before, ...lock, ...behind],
    result(answers) {
      const fence = answers[locked - 1]?.rows[0] as (Fence & { locked: boolean }) | undefined;
      if (!fence?.locked) {
        throw new TidemarkFailure('PostgresRefused', 'the dataset has no row in tickets.dataset_state');
      }
      noteRows(session, targetTable(dataset), fence.rows);
      // Of all datasets together: an id counts them all.
      noteRows(session, LEDGER, Number(fence.ledgerVersion));
      return { fence, before: answers.slice(0, before.length), behind: answers.slice(locked) };
    },
  };
}

const LEDGER = 'tickets.import_meta';

const LOCK_DATASET = 'select from tickets.dataset_state where dataset = $1 for update';

/** The rows of the table, where the last deed does not say them: a skip, or an earlier version's. */
const SUMMED_ROWS = `
select coalesce(max((m.metadata ->> 'rows_stored')::bigint) filter (where m.id = r.id), 0)
    + coalesce(sum(m.rows_inserted) filter (where m.id > r.id), 0)
from tickets.import_meta m, (
  select coalesce(max(id), 0) as id from tickets.import_meta where dataset = $1 and export_type = 'rebuilt'
) r
where m.dataset = $1`;

/** A range in place of one dataset keeps the order, and with it the index: see `lastDeedSql`. */
const FENCE = `
with last as (${lastDeedSql(`id, (metadata ->> 'rows_stored')::bigint as rows`, '$1')}),
mark as (
  select metadata ->> 'source_max_key' as watermark from tickets.import_meta
  where dataset >= $1 and dataset <= $1 and metadata ? 'source_max_key'
  order by dataset, (metadata ->> 'source_max_key') collate "C" desc limit 1
)
select
  exists (select from tickets.dataset_state where dataset = $1) as locked,
  coalesce((select id from last), 0)::text as "ledgerVersion",
  coalesce((select rows from last), (${SUMMED_ROWS}), 0)::float8 as rows,
  (select watermark from mark) as watermark,
  exists (select from tickets.import_meta
    where dataset = $1 and source_key = $2 and export_type in ('baseline', 'delta', 'late')) as known,
  exists (select from tickets.import_meta
    where dataset = $1 and source_key = $2 and export_type = 'skipped' and metadata ->> 'etag' = $3) as skipped,
  exists (select from tickets.import_failures
    where dataset = $1 and resolved_at is null and kind <> 'FileChanged' and source_key collate "C" < $2
      and source_key collate "C" > coalesce((select watermark from mark), '')) as stopped`;
