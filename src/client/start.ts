import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import type { ingestDataset } from '../workflows/ingestDataset.ts';
import { datasetNamed } from './datasetNamed.ts';
import { followRun, progressBegin } from './followRun.ts';
import { listLive } from './liveListing.ts';
import { findOpenRun, manualId, WORKFLOW_TYPE, type RunRef } from './openRun.ts';
import { pollersOf, WORKFLOW_TASKS } from './pollers.ts';
import type { RunProgress } from './runProgress.ts';
import { startAttributes } from './searchAttributes.ts';
import { withServers, type Servers } from './servers.ts';
import { note, print, printable, printJson } from './terminal.ts';

/** Options of `start`. */
export interface StartOptions {
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** `start` */
export function addStart(program: Command): void {
  program
    .command('start')
    .summary('start a run of a dataset, or attach to the one that is open')
    .description(
      'Starts a run: it loads all that is pending, in order, and archives it. Where a run of the dataset is open, ' +
        'started by anyone, it attaches to that one and starts nothing.',
    )
    .argument('<dataset>')
    .option(
      '--wait',
      'follow the run to its end; exit status 1 where it fails, 130 after Ctrl-C: the run goes on',
    )
    .option('--json', 'print one JSON document: with --wait the result')
    .addHelpText('after', '\nExample:\n  $ tidemark start inc --wait')
    .action((name: string, options: StartOptions) =>
      withServers((servers) => start(servers, datasetNamed(name), options)),
    );
}

async function start(servers: Servers, dataset: Dataset, options: StartOptions): Promise<void> {
  const client = await servers.temporal();
  const json = options.json === true;
  const since = options.wait === true && !json ? await progressBegin(servers.db, dataset) : undefined;
  const open = await findOpenRun(client, dataset.name);
  const run = open ?? (await startManually(client, dataset, servers.config.taskQueue));
  const { workflowId, runId } = run;
  await sayWhereNobodyWorks(client, servers.config.taskQueue);
  const wait = options.wait === true;
  // Begun before anything is said of it: who reads that it has started may press Ctrl-C.
  const pending = (progress: RunProgress): Promise<void> => tellPending(servers, dataset, progress);
  const following = wait ? followRun(client, servers.db, { dataset, run, since, json, pending }) : undefined;
  if (!json) {
    print(`${open ? 'attached to the open run' : 'started'} ${printable(workflowId)}, run id ${runId}`);
  } else if (!wait) {
    printJson({ workflowId, runId, attached: open !== undefined });
  }
  await following;
}

/** Pages of the listing that is looked at for progress: beyond, the total grows as the run goes on. */
const MAX_PAGES = 10;

/** Lists what the run has before it. */
async function tellPending(servers: Servers, dataset: Dataset, progress: RunProgress): Promise<void> {
  let pages = 0;
  for await (const { files } of listLive(servers, dataset)) {
    for (const { key, size, state } of files) {
      const loads = state === 'pending' || (state === 'late' && dataset.latePolicy === 'apply');
      if (loads) progress.pends(key, size);
    }
    if (++pages === MAX_PAGES) return;
  }
}

async function startManually(client: Client, dataset: Dataset, taskQueue: string): Promise<RunRef> {
  const handle = await client.workflow.start<typeof ingestDataset>(WORKFLOW_TYPE, {
    workflowId: manualId(dataset.name),
    taskQueue,
    args: [{ dataset: dataset.name }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `${dataset.name}: load what is pending, started by hand`,
    ...(await startAttributes(client, dataset.name)),
  });
  return { workflowId: handle.workflowId, runId: handle.firstExecutionRunId };
}

/** A run without a worker waits without a word. */
export async function sayWhereNobodyWorks(
  client: Client,
  taskQueue: string,
  program: 'worker' | 'rebuilder' = 'worker',
): Promise<void> {
  const pollers = await pollersOf(client, taskQueue, WORKFLOW_TASKS);
  if (pollers.length > 0) return;
  note(
    `no ${program} polls the task queue ${printable(taskQueue)}; the run goes on once one does: npm run ${program}`,
  );
}
