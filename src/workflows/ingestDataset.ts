/**
 * The run: lists what is pending and, for each file in ascending order, loads it, archiving one while the next loads.
 *
 * Changing this file changes histories: read docs/operations.md ("Changing the workflow") first.
 */

import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { ListedFile } from '../activities/interface.ts';
import { failureOf, list } from './activityCalls.ts';
import { Archiver } from './archiver.ts';
import { load } from './load.ts';
import { Run, type IngestInput, type IngestResult } from './run.ts';

/** Objects in one listing page: keeps a page's result under 100 KB and a history under 2,000 events. */
const PAGE_SIZE = 200;

/** A writer that replaces a pending object again and again makes a run list again at most this often in a row. */
const MAX_RELISTS = 10;

/**
 * Loads all that is pending of one dataset.
 *
 * @throws ApplicationFailure of the file at which the dataset stops; all before it is applied, nothing of it or after it
 */
export async function ingestDataset(input: IngestInput): Promise<IngestResult> {
  const run = new Run(input);
  const archiver = new Archiver(run);
  try {
    for (let relists = 0; ; ) {
      const page = await list(run.nextPage(PAGE_SIZE));
      run.sees(page);
      const end = await takeAll(page.files, run, archiver);
      if (end === 'stop') break;
      if (end === 'listAgain' && ++relists <= MAX_RELISTS) continue;
      if (page.next === undefined || end === 'listAgain') break;
      relists = 0;
      run.turnsTo(page);
      if (workflowInfo().continueAsNewSuggested || run.isLong()) {
        await archiver.settled();
        await continueAsNew<typeof ingestDataset>(run.carriedOn());
      }
    }
  } finally {
    await archiver.settled();
  }
  return run.result();
}

/** Takes the files of a page in order. Says whether the run may go on to the next page. */
async function takeAll(
  files: readonly ListedFile[],
  run: Run,
  archiver: Archiver,
): Promise<'goOn' | 'stop' | 'listAgain'> {
  for (const file of files) {
    switch (file.state) {
      case 'failed':
      case 'vanished':
        throw failureOf(file);
      case 'settling':
        return 'stop';
      case 'applied':
        await archiver.archive(file);
        break;
      case 'skipped':
        await archiver.setAside(file);
        break;
      default: {
        const loaded = await load(run.dataset, file);
        run.loaded(file, loaded);
        if (loaded.outcome === 'replaced' || loaded.outcome === 'late') return 'listAgain';
        if (run.archives) await archiver.archive(file);
      }
    }
  }
  return 'goOn';
}
