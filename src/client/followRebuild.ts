/** Waiting for a rebuild: how far it is, what differs, whether to go on, and what came of it. */

import type { Dataset } from '../datasets/dataset.ts';
import { setMaxListeners } from 'node:events';
import { WorkflowNotFoundError } from '@temporalio/client';
import { countAlarms } from '../postgres/rebuildHistory.ts';
import { readFoundRows, readRebuild, type FoundRow, type Rebuild } from '../postgres/rebuildRecord.ts';
import type { RebuildResult } from '../workflows/rebuildDataset.ts';
import { answerTo, GO_ON, NOT_CONFIRMED } from './confirm.ts';
import { problemOf } from './followRun.ts';
import { onInterrupt, sayDetached } from './interrupt.ts';
import { commandOf, type RebuildRun } from './openRebuild.ts';
import { printDifference, printResult } from './printRebuild.ts';
import { Problem } from './problem.ts';
import { openProgressLine } from './progressLine.ts';
import type { Servers } from './servers.ts';
import { count, counted, note, print, printable, printJson } from './terminal.ts';

/** Often enough to look alive, seldom enough to cost nothing. */
const LOOK_MS = 500;

/** The signal that a rebuild waits for. */
const DECIDE = 'decide';

/** Dropping a table takes a moment. */
const DROP_MS = 10_000;

const NOTHING_DONE = 'not confirmed: nothing was done';

/** Rows shown of each finding. */
const MAX_SHOWN = 20;

/** What is followed, and how. */
export interface FollowRebuild {
  readonly dataset: Dataset;
  /** What attaches to it again. */
  readonly command: string;
  /** Whether the difference was agreed to before it was known. */
  readonly agreed: boolean;
  readonly json: boolean;
  readonly values: 'withheld' | 'shown';
}

/** How a rebuild ended. */
type Ended = { readonly result: RebuildResult } | { readonly error: unknown };

/**
 * Follows a rebuild to its end, or until nobody answers. Ctrl-C leaves it alone, and says how to come back; it is heard
 * from the call on. At the question the terminal has it (`answerTo`).
 */
export async function followRebuild(servers: Servers, run: RebuildRun, input: FollowRebuild): Promise<void> {
  const left = new AbortController();
  // The SDK adds a listener with each of its long polls.
  setMaxListeners(0, left.signal);
  let interrupted = false;
  const deaf = onInterrupt(() => {
    interrupted = true;
    left.abort();
  });
  try {
    const client = await servers.temporal();
    const ended: Promise<Ended> = client
      .withAbortSignal(left.signal, () => run.handle.result())
      .then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
    await follow(servers, run, input, ended);
  } catch (error) {
    if (!interrupted) throw error;
    sayDetached('rebuild', input.command, run.handle.workflowId);
  } finally {
    deaf();
    // Its connection is not closed before a long poll is over.
    left.abort();
  }
}

async function follow(
  servers: Servers,
  run: RebuildRun,
  input: FollowRebuild,
  ended: Promise<Ended>,
): Promise<void> {
  const { dataset, json } = input;
  const rebuild = await untilCompared(servers, run, ended);
  const rows = await foundRows(servers, run, input);
  if (rebuild.difference && !json) {
    printDifference(dataset, rebuild.difference, rows);
    if (rebuild.removes) await sayAlarms(servers, rebuild);
  }
  const asks = rebuild.difference !== null && !input.agreed;
  const answer = asks ? await ask(run, dataset, rebuild, ended) : undefined;
  if (answer === 'no') await checkHeard(servers, dataset, rebuild, ended);
  const end = await ended;
  if ('error' in end) throw problemOf(end.error, run.handle);
  const { result } = end;
  if (json) printJson({ ...result, found: rows.map(withoutMissing) });
  else printResult(dataset, result, rebuild);
  if (result.outcome === 'dropped') throw new Problem(NOTHING_DONE, NOT_CONFIRMED);
  if (answer === 'no') throw new Problem('somebody had agreed to it before: what differs was written');
}

/** Agrees to a rebuild, seen (`any`) or not (`few` removed). One that has ended meanwhile tells its end itself. */
export async function agreeTo(run: RebuildRun, removing: 'few' | 'any'): Promise<void> {
  await tell(run, true, removing);
}

async function tell({ handle }: RebuildRun, answer: boolean, removing: 'few' | 'any' = 'any'): Promise<void> {
  try {
    await handle.signal(DECIDE, answer, removing);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Tells how far it is until the difference is known, or the rebuild ends without one. */
async function untilCompared({ db }: Servers, { id }: RebuildRun, ended: Promise<unknown>): Promise<Rebuild> {
  const progress = openProgressLine('merged', 'file');
  let over = false;
  void ended.then(() => (over = true));
  try {
    for (;;) {
      const last = over;
      const rebuild = await readRebuild(db, id);
      if (rebuild.difference || last) return rebuild;
      if (rebuild.filesTotal > 0) progress.tell(rebuild.filesDone, rebuild.filesTotal);
      await within(LOOK_MS, ended);
    }
  } finally {
    progress.end();
  }
}

/**
 * Asks, and tells the rebuild.
 *
 * @returns `none` where it has ended before the answer
 * @throws Problem where nobody answers: it is left alone
 */
async function ask(
  run: RebuildRun,
  dataset: Dataset,
  rebuild: Rebuild,
  ended: Promise<unknown>,
): Promise<'yes' | 'no' | 'none'> {
  const { missing = 0, different = 0, extra = 0 } = rebuild.difference ?? {};
  const parts = [`${counted(missing, 'row')} inserted`, `${count(different)} updated`];
  if (rebuild.removes) parts.push(`${count(extra)} removed`);
  note(`In tickets.${dataset.table}: ${parts.join(', ')}.`);
  const over = new AbortController();
  void ended.then(() => over.abort());
  const answer = await answerTo(GO_ON, over.signal);
  if (answer !== 'none') await tell(run, answer === 'yes');
  else if (!over.signal.aborted) {
    throw new Problem(
      `no answer: the rebuild is left alone, and is dropped after 7 days. To go on: ${commandOf(dataset, rebuild)}`,
      NOT_CONFIRMED,
    );
  }
  return answer;
}

/**
 * After a no the next rebuild of the dataset is a new one, and none to attach to; a rebuilder that is gone is not waited for.
 *
 * @throws Problem where the rebuild has not ended by then
 */
async function checkHeard(
  { db }: Servers,
  dataset: Dataset,
  { id }: Rebuild,
  ended: Promise<unknown>,
): Promise<void> {
  if (await within(DROP_MS, ended)) return;
  const rebuild = await readRebuild(db, id);
  if (rebuild.state === 'dropped') throw new Problem(NOTHING_DONE, NOT_CONFIRMED);
  throw new Problem(
    'the rebuild was told no, and has not ended: no rebuilder works, or somebody had agreed before. ' +
      `To see how it ends: ${commandOf(dataset, rebuild)}`,
    NOT_CONFIRMED,
  );
}

/** Waits at most this long. @returns whether it came */
async function within(ms: number, end: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, ms, false)));
  const came = await Promise.race([end.then(() => true), late]);
  clearTimeout(timer);
  return came;
}

function foundRows(
  { db }: Servers,
  { id }: RebuildRun,
  { values }: FollowRebuild,
): Promise<readonly FoundRow[]> {
  return readFoundRows(db, { id, limit: MAX_SHOWN, values });
}

/** Alarm rows are not merged: a ticket that only they tell of is one that no file leads to. */
async function sayAlarms({ db }: Servers, { baseId, baseKey }: Rebuild): Promise<void> {
  const alarms = await countAlarms(db, baseId);
  if (alarms === 0) return;
  print(
    `${printable(baseKey ?? '')} has ${counted(alarms, 'alarm row')}: their tickets may be among the extra`,
  );
}

/** An id that was withheld is no id that is empty. */
function withoutMissing({ ticket, ...row }: FoundRow): object {
  return ticket === null ? row : { ...row, ticket };
}
