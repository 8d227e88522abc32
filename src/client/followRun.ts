/** Waiting for a run: progress while it works, its result or its failure at the end. */

import { setMaxListeners } from 'node:events';
import { ApplicationFailure, CancelledFailure, TerminatedFailure } from '@temporalio/common';
import { WorkflowFailedError, type Client } from '@temporalio/client';
import type { Dataset } from '../datasets/dataset.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { appliedSince, newestDeed, type AppliedFile } from '../postgres/progress.ts';
import type { KeyList } from '../domain/listing.ts';
import { nameOf } from '../domain/changeFile.ts';
import type { ingestDataset } from '../workflows/ingestDataset.ts';
import type { IngestResult } from '../workflows/run.ts';
import { askLoading } from './loading.ts';
import { onInterrupt, sayDetached } from './interrupt.ts';
import type { RunRef } from './openRun.ts';
import { Problem } from './problem.ts';
import { progressDisplay } from './progressDisplay.ts';
import { RunProgress } from './runProgress.ts';
import { count, counted, note, print, printable, printJson } from './terminal.ts';

/** Often enough to look alive, seldom enough to cost nothing. */
const PROGRESS_MS = 1_000;

/** Lines of one look at the ledger; a run may load hundreds of files between two. */
const MAX_LINES = 10;

/** What is followed, and how. */
export interface FollowInput {
  readonly dataset: Dataset;
  readonly run: RunRef;
  /** The ledger row after which files are progress; `undefined` to show none. */
  readonly since: number | undefined;
  readonly json: boolean;
  /** Tells the files that are still to be loaded, with their sizes. */
  readonly pending?: (progress: RunProgress) => Promise<void>;
}

/** Where in the ledger progress begins; `undefined` where PostgreSQL cannot be asked, which is no reason not to start. */
export async function progressBegin(db: Queryable, dataset: Dataset): Promise<number | undefined> {
  try {
    return await newestDeed(db, dataset.name);
  } catch {
    return undefined;
  }
}

/**
 * Follows a run to its end, through continue-as-new. Ctrl-C leaves it alone, and says how to come back; it is heard
 * from the call on.
 */
export async function followRun(client: Client, db: Queryable, input: FollowInput): Promise<void> {
  const { dataset, run, since, json } = input;
  const interrupted = new AbortController();
  // The SDK adds a listener with each of its long polls.
  setMaxListeners(0, interrupted.signal);
  const deaf = onInterrupt(() => interrupted.abort());
  const ended = new AbortController();
  const telling =
    since === undefined ? undefined : tellProgress({ client, db, input, since, ended: ended.signal });
  try {
    const handle = client.workflow.getHandle<typeof ingestDataset>(run.workflowId, run.runId);
    const end = await outcomeOf(client.withAbortSignal(interrupted.signal, () => handle.result()));
    ended.abort();
    await telling;
    if ('result' in end) return json ? printJson(end.result) : printResult(end.result);
    if (!interrupted.signal.aborted) throw problemOf(end.error, run);
    sayDetached('run', `tidemark start ${dataset.name} --wait`, run.workflowId);
  } finally {
    deaf();
  }
}

type Outcome = { readonly result: IngestResult } | { readonly error: unknown };

async function outcomeOf(waiting: Promise<IngestResult>): Promise<Outcome> {
  try {
    return { result: await waiting };
  } catch (error) {
    return { error };
  }
}

interface Telling {
  readonly client: Client;
  readonly db: Queryable;
  readonly input: FollowInput;
  readonly since: number;
  readonly ended: AbortSignal;
}

/** Shows how far the run is, and each file as it is applied. It is an extra: where it fails, the wait goes on without. */
async function tellProgress({ client, db, input, since, ended }: Telling): Promise<void> {
  const display = progressDisplay();
  const progress = new RunProgress();
  const files: AppliedFile[] = [];
  try {
    // The run does not wait for a listing, and without one there is only no total.
    void input.pending?.(progress).catch(() => undefined);
    let last = since;
    for (let over = false; !over;) {
      over = await aborted(ended, PROGRESS_MS);
      const applied = await appliedSince(db, { dataset: input.dataset.name, id: last });
      for (const { key } of applied) progress.applied(key);
      files.push(...applied);
      last = applied.at(-1)?.id ?? last;
      if (display.live || over) {
        if (files.length > 0) display.clear();
        printFiles(files.splice(0));
      }
      if (!over) display.show(progress.line(await askLoading(client, input.run.workflowId)));
    }
  } catch {
    note('no more progress to show: PostgreSQL or Temporal cannot be asked; the run goes on');
  } finally {
    display.clear();
  }
}

function printFiles(files: readonly AppliedFile[]): void {
  for (const file of files.slice(0, MAX_LINES)) print(progressLine(file));
  if (files.length > MAX_LINES) print(`… and ${counted(files.length - MAX_LINES, 'more file')}`);
}

/** Waits for the signal at most this long. @returns whether it came */
function aborted(signal: AbortSignal, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(true);
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve(signal.aborted);
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

function progressLine({ key, exportType, read, inserted, updated }: AppliedFile): string {
  const name = printable(nameOf(key));
  return `${name}  ${exportType}  read ${count(read)}  inserted ${count(inserted)}  updated ${count(updated)}`;
}

function printResult(result: IngestResult): void {
  const { rows } = result;
  print(`${counted(result.applied, 'file')} applied, ${count(result.archived)} archived`);
  print(
    `rows: read ${count(rows.read)}, inserted ${count(rows.inserted)}, updated ${count(rows.updated)}, ` +
      `unchanged ${count(rows.unchanged)}, superseded ${count(rows.superseded)}, stale ${count(rows.stale)}, ` +
      `alarm ${count(rows.alarm)}, sentinel ${count(rows.sentinel)}, rejected ${count(rows.rejected)}`,
  );
  print(`watermark: ${result.watermark === null ? 'none' : printable(result.watermark)}`);
  printKeys('not moved', result.notMoved);
  printKeys('late', result.late);
  printKeys('changed', result.changed);
  printKeys('future', result.future);
  if (result.covered > 0) print(`covered: ${count(result.covered)}`);
  if (result.ignored > 0) print(`ignored: ${count(result.ignored)}`);
}

function printKeys(title: string, { total, keys }: KeyList): void {
  if (total === 0) return;
  print(`${title}: ${count(total)}`);
  for (const key of keys) print(`  ${printable(key)}`);
}

/** A run's failure is one sentence, made by Tidemark; how else a run may end is said here. */
export function problemOf(error: unknown, { workflowId }: Pick<RunRef, 'workflowId'>): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) return new Problem(cause.message);
  if (cause instanceof CancelledFailure) return new Problem(`the run ${workflowId} was cancelled`);
  if (cause instanceof TerminatedFailure) return new Problem(`the run ${workflowId} was terminated`);
  return new Problem(`the run ${workflowId} failed (${cause?.name ?? 'no cause given'})`);
}
