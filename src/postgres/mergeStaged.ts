/** The merge of what a session has staged, counted. */

import type { Dataset } from '../datasets/dataset.ts';
import { balances, type RowCounts } from '../domain/counts.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Reading } from '../rows/row.ts';
import { noteAdded, plannedFor } from './keptPlan.ts';
import { mergeSql, supersedeSql, type MergeCounts, type MergeMode } from './merge.ts';
import type { Session } from './pool.ts';
import type { Answered, Statement } from './roundTrip.ts';
import { targetTable } from './tables.ts';

/** Up to this many staged rows a merge's plan is kept; above, it is planned for each file, whose size decides. */
export const FEW_ROWS = 1_000;

/** What is merged, and into which table: by default the dataset's own. */
export interface MergeInput {
  readonly dataset: Dataset;
  readonly key: string;
  readonly mode: MergeMode;
  readonly reading: Reading;
  /** Rows that PostgreSQL counted in the COPY. */
  readonly staged: number;
  /** The table, quoted; another than the dataset's own to rehearse. */
  readonly target?: string;
}

/**
 * Merges what the session has staged, and accounts for every row read.
 *
 * @throws TidemarkFailure AccountingMismatch where the counts do not add up
 */
export async function mergeStaged(session: Session, input: MergeInput): Promise<RowCounts> {
  if (input.staged > FEW_ROWS) return account(session, input, await mergeMany(session, input));
  return accountFew(session, input, await session.roundTrip(mergeFewStatements(session, input)));
}

/** The statements that merge few rows, by plans that the connection keeps. */
export function mergeFewStatements(
  session: Session,
  { dataset, key, mode, reading, target }: Omit<MergeInput, 'staged'>,
): readonly Statement[] {
  const texts = target === undefined ? textsOf(dataset, mode) : makeTexts(dataset, mode, target);
  const text = plannedFor(session, target ?? targetTable(dataset), texts.merge);
  const merge: Statement = { text, values: [key], prepared: true };
  return reading.mayRepeat ? [{ text: texts.supersede, prepared: true }, merge] : [merge];
}

/** What the answers to these say, as `mergeStaged`. */
export function accountFew(session: Session, input: MergeInput, answers: readonly Answered[]): RowCounts {
  const [found] = input.reading.mayRepeat ? (answers[0]?.rows ?? []) : [];
  const merged = answers.at(-1)?.rows[0] as MergeCounts | undefined;
  return account(session, input, { merged, superseded: (found as Superseded | undefined)?.superseded ?? 0 });
}

interface Superseded {
  readonly superseded: number;
}

interface Merged extends Superseded {
  readonly merged: MergeCounts | undefined;
}

function account(
  session: Session,
  { reading, staged, target }: MergeInput,
  { merged, superseded }: Merged,
): RowCounts {
  if (!merged) throw new TidemarkFailure('InternalError', 'a merge gave no counts');
  // Of the dataset's own table the apply notes it, by whichever way the rows came.
  if (target !== undefined) noteAdded(session, target, merged.inserted);
  return checkAccounts(reading, staged, merged, superseded);
}

async function mergeMany(
  session: Session,
  { dataset, key, mode, reading, target }: MergeInput,
): Promise<Merged> {
  const [found] = reading.mayRepeat ? await session.queryLong<Superseded>(supersedeSql(dataset)) : [];
  const [merged] = await session.queryLong<MergeCounts>(mergeSql(dataset, mode, target), [key]);
  return { superseded: found?.superseded ?? 0, merged };
}

interface Texts {
  readonly supersede: string;
  readonly merge: string;
}

const texts = new WeakMap<Dataset, Map<MergeMode, Texts>>();

/** The texts of a dataset's own merge, made once: their making takes longer than a small merge's other work here. */
function textsOf(dataset: Dataset, mode: MergeMode): Texts {
  const known = texts.get(dataset) ?? new Map<MergeMode, Texts>();
  const made = known.get(mode) ?? makeTexts(dataset, mode);
  texts.set(dataset, known.set(mode, made));
  return made;
}

function makeTexts(dataset: Dataset, mode: MergeMode, target?: string): Texts {
  return { supersede: supersedeSql(dataset), merge: mergeSql(dataset, mode, target) };
}

/**
 * What was read, and what PostgreSQL counted of it, as one account.
 *
 * @throws TidemarkFailure AccountingMismatch where the counts do not add up
 */
export function checkAccounts(
  reading: Reading,
  staged: number,
  merged: MergeCounts,
  superseded = 0,
): RowCounts {
  if (staged !== reading.sent) {
    throw new TidemarkFailure('AccountingMismatch', `${reading.sent} rows sent, ${staged} rows staged`);
  }
  const counts: RowCounts = {
    read: reading.read,
    inserted: merged.inserted,
    updated: merged.updated,
    unchanged: merged.unchanged,
    stale: merged.stale,
    superseded,
    alarm: reading.alarm,
    sentinel: reading.sentinel,
    rejected: reading.rejected,
  };
  if (!balances(counts)) {
    throw new TidemarkFailure('AccountingMismatch', `the counts do not add up: ${JSON.stringify(counts)}`);
  }
  return counts;
}
