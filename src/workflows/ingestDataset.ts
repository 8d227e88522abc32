/**
 * The run: lists what is pending and loads it in ascending order, archiving what is loaded while the next loads.
 *
 * A change of this folder changes histories: the replay tests over the frozen ones are the gate.
 */

import { continueAsNew, patched, workflowInfo } from '@temporalio/workflow';
import type { ListedFile } from '../activities/interface.ts';
import { failureOf, finalFailure, list } from './activityCalls.ts';
import { Archiver } from './archiver.ts';
import { loadNext } from './load.ts';
import { Run, type IngestInput, type IngestResult } from './run.ts';
import { stepsOf } from './steps.ts';

/** Objects in one listing page: keeps a page's result under 100 KB. */
const PAGE_SIZE = 500;

/** A writer that replaces a pending object again and again makes a run list again at most this often in a row. */
const MAX_RELISTS = 10;

/** Whether the run goes on to the next page, lists this one again, or ends. */
type End = 'goOn' | 'goOnAsNew' | 'listAgain' | 'wait';

/** Events of a history after which a run goes on as new in the middle of a page; the server suggests it at 4,096. */
const LONG_HISTORY = 2_000;

/**
 * Loads all that is pending of one dataset.
 *
 * @throws ApplicationFailure of the file at which the dataset stops; all before it is applied, nothing of it or after it
 */
export async function ingestDataset(input: IngestInput): Promise<IngestResult> {
  checkInput(input);
  const run = new Run(input);
  const archiver = new Archiver(run);
  try {
    for (let relists = 0; ;) {
      let page = await list(run.nextPage(PAGE_SIZE));
      run.sees(page);
      run.setAttributes();
      let end = await take(page.files, run, archiver);
      if (end === 'goOn' && page.uncompared) {
        // Behind the loads, which do not wait for it: there may be other datasets' baselines before it.
        await archiver.settled();
        page = await list({ ...run.nextPage(PAGE_SIZE), comparesAll: true });
        run.sees(page);
        end = await take(page.files, run, archiver);
      }
      if (end === 'goOnAsNew') await goOnAsNew(run, archiver);
      if (end === 'listAgain' && relists < MAX_RELISTS) {
        relists += 1;
        continue;
      }
      if (end !== 'goOn' || page.next === undefined) break;
      relists = 0;
      run.turnsTo(page);
      if (workflowInfo().continueAsNewSuggested || run.isLong()) await goOnAsNew(run, archiver);
    }
  } catch (error) {
    run.stops(error);
    throw error;
  } finally {
    await archiver.settled();
    run.setAttributes();
  }
  return run.result();
}

async function goOnAsNew(run: Run, archiver: Archiver): Promise<never> {
  await archiver.settled();
  return continueAsNew<typeof ingestDataset>(run.carriedOn());
}

/** Whether the history is too long for the rest of the page, of which the next run then lists what is left. */
function isHistoryLong(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  const long = continueAsNewSuggested || historyLength >= LONG_HISTORY;
  return long && patched('goes-on-as-new-within-a-page');
}

/** Who starts a run by hand may forget the input: an error of ours would be retried for ever, this ends the run. */
function checkInput(input: IngestInput | undefined): void {
  if (typeof input === 'object' && input !== null && typeof input.dataset === 'string') return;
  const message = 'the run needs an input such as {"dataset":"inc"}';
  throw finalFailure({ kind: 'BadRequest', message, details: {} });
}

/** Takes the files of a page, step by step. */
async function take(files: readonly ListedFile[], run: Run, archiver: Archiver): Promise<End> {
  for (const step of stepsOf(files)) {
    switch (step.do) {
      case 'stop':
        throw failureOf(step.file);
      case 'wait':
        return 'wait';
      case 'move':
        await archiver.move(step.files);
        break;
      case 'load': {
        const end = await loadAll(step.files, run, archiver);
        if (end !== 'goOn') return end;
      }
    }
  }
  return 'goOn';
}

/** Loads files in order, a small batch or one large file at a time. */
async function loadAll(files: readonly ListedFile[], run: Run, archiver: Archiver): Promise<End> {
  let left = files;
  while (left.length > 0) {
    const { results, failure } = await loadNext(run, left);
    const done = left.slice(0, results.length);
    left = left.slice(results.length);
    run.loaded(done, results);
    const loaded = done.filter((_file, i) => isLoaded(results[i]?.outcome));
    if (run.archives) await archiver.move(loaded);
    if (failure) throw failure;
    if (loaded.length < done.length) return 'listAgain';
    if (left.length > 0 && isHistoryLong()) return 'goOnAsNew';
  }
  return 'goOn';
}

function isLoaded(outcome: string | undefined): boolean {
  return outcome === 'applied' || outcome === 'already';
}
