/**
 * A transaction that writes a file's rows into the table while the file is still being read: ahead of the fence, which it
 * takes at the end, to find out whether the rows may stay.
 *
 * Rows so written are locks: another attempt's rows of the same keys wait for them. And where a frozen worker has stopped
 * feeding a COPY, none of PostgreSQL's time-outs ends it. So one such transaction of a dataset runs at a time, under an
 * advisory lock, and who waits in vain for one that goes no further ends it. How long it may go on is for the watch on its
 * bytes to say, not for the time limit of a statement.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { plainName } from './identifier.ts';
import type { CopyIn } from './copyIn.ts';
import type { MergeCounts } from './merge.ts';
import type { Session } from './pool.ts';
import type { RowEnd } from '../rows/copyBlock.ts';

/** How long to wait for another one, or for rows, milliseconds; it is also how long that one may go no further. */
export const PATIENCE_MS = 30_000;
/** The advisory lock's first key; the second is the dataset. */
const AHEAD = 0x74_69_64_65;
/** Between two stretches of rows, from an object that comes slowly: longer than S3 may be silent. */
const IDLE_TIMEOUT = '90s';

/** Rows on their way into the table, in an open transaction. */
export interface Ahead extends CopyIn {
  /** What every row must end with. */
  readonly rowEnd?: RowEnd;
  /** What became of them; undefined where it is not what a merge under the fence would have done. */
  found(end: AheadEnd): MergeCounts | undefined;
}

/** What is known when all rows are written and the fence is held. */
export interface AheadEnd {
  /** Rows that PostgreSQL counted in the COPY. */
  readonly rows: number;
  /** The file may have a key twice. */
  readonly mayRepeat: boolean;
  /** The last deed that the ledger has of the dataset. */
  readonly ledgerVersion: string;
}

/** Whether a failure says nothing of the file: staged, and merged with what is stored, it may well load. */
export function isAheadFailure(error: unknown): boolean {
  const code = error instanceof TidemarkFailure ? error.details.code : undefined;
  // Values, constraints and triggers, which staged rows meet once it is the file's turn; what a COPY into the table cannot
  // do; rows that come too slowly for an open transaction (25P03), which a COPY into staging waits for. All else is the
  // same when staged.
  return code !== undefined && /^(2[23]|0A|42|P0|25P03)/.test(code);
}

/**
 * Begins one; waits for another, and ends it where it is frozen.
 *
 * @throws TidemarkFailure PostgresBusy where the other one goes on, or was ended: the next attempt finds its rows free
 */
export async function beginAhead(
  session: Session,
  dataset: Dataset,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const before = await progressOfOther(session, dataset);
  try {
    await session.queryLong(
      `begin isolation level read committed; set local lock_timeout = ${patienceMs};
       set local statement_timeout = 0; set local idle_in_transaction_session_timeout = '${IDLE_TIMEOUT}';
       select pg_advisory_xact_lock(${AHEAD}, hashtext('${plainName(dataset.name)}'))`,
    );
  } catch (error) {
    if (!(error instanceof TidemarkFailure && error.kind === 'PostgresBusy')) throw error;
    await session.query('rollback');
    const now = await progressOfOther(session, dataset);
    if (before && now && before.pid === now.pid && before.progress === now.progress)
      await end(session, now.pid);
    throw error;
  }
}

/**
 * Waits for one, which may keep rows locked that a load needs; one that is frozen is ended.
 *
 * @throws TidemarkFailure PostgresBusy where it goes on; where this role may not end it, that names its session
 */
export async function outlastAhead(
  session: Session,
  dataset: Dataset,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  try {
    await beginAhead(session, dataset, patienceMs);
  } catch (error) {
    if (!(error instanceof TidemarkFailure && error.kind === 'PostgresBusy')) throw error;
    throw (await foreignAhead(session, dataset)) ?? error;
  }
  await session.query('rollback');
}

async function foreignAhead(session: Session, dataset: Dataset): Promise<TidemarkFailure | undefined> {
  const [other] = await session.query<{ pid: number }>(
    `select l.pid from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where ${HOLDS_AHEAD} and not ${MAY_END}`,
    [dataset.name],
  );
  if (!other) return undefined;
  return new TidemarkFailure(
    'PostgresBusy',
    `the session with pid ${other.pid} is writing a file's rows into the table`,
    { dataset: dataset.name },
    `Look at it in pg_stat_activity: where its worker is frozen, select pg_terminate_backend(${other.pid})`,
  );
}

/** Whether a lock is the one of who writes ahead into the table of the dataset $1. */
const HOLDS_AHEAD = `l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.classid = ${AHEAD}::oid
       and l.objid = hashtext($1)::bit(32)::bigint::oid
       and l.database = (select oid from pg_database where datname = current_database())`;

/** Whether this role may end a session. */
const MAY_END = `(pg_has_role(usesysid, 'usage') or pg_has_role('pg_signal_backend', 'usage'))`;

/** Ends a session, unless it is one of a role that this one may not end: then who waits fails as busy. */
async function end(session: Session, pid: number): Promise<void> {
  await session.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where pid = $1 and ${MAY_END}`,
    [pid],
  );
}

/**
 * Who writes ahead into the dataset's table and waits for his client, and how far he is: when he was last asked for
 * something, and the bytes that his COPY has taken since.
 */
async function progressOfOther(
  session: Session,
  dataset: Dataset,
): Promise<{ pid: number; progress: string } | undefined> {
  const [holder] = await session.query<{ pid: number; progress: string }>(
    `select l.pid, concat(a.query_start, ' ', p.bytes_processed) as progress
     from pg_locks l
     join pg_stat_activity a on a.pid = l.pid and a.wait_event = 'ClientRead'
     left join pg_stat_progress_copy p on p.pid = l.pid
     where ${HOLDS_AHEAD}`,
    [dataset.name],
  );
  return holder;
}
