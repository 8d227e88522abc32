import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { askRebuild } from '../postgres/rebuildRecord.ts';
import type { rebuildDataset } from '../workflows/rebuildDataset.ts';
import { changeFileKey } from './changeFileKey.ts';
import { actsForAReason, confirm, reasonOf, type ActOptions } from './confirm.ts';
import { datasetNamed } from './datasetNamed.ts';
import { followRebuild } from './followRebuild.ts';
import { Problem } from './problem.ts';
import { rebuildQueue } from './rebuildQueue.ts';
import { withServers, type Servers } from './servers.ts';
import { sayWhereNobodyWorks } from './start.ts';
import { note, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** The workflow's registered name. */
const WORKFLOW_TYPE = 'rebuildDataset';

/** Options of `rebuild`. */
interface RebuildOptions extends ActOptions {
  readonly from?: string;
  readonly asOf?: string;
  readonly remove?: boolean;
  readonly wait?: boolean;
  readonly values?: boolean;
}

/** `rebuild` */
export function addRebuild(program: Command): void {
  actsForAReason(
    program
      .command('rebuild')
      .summary('build the table anew from the files of the ledger, and take over the difference')
      .description(
        'Builds the table anew beside the live one, from the files that the ledger names, each checked by its SHA-256; ' +
          'shows what differs; and writes the difference into the live table in one transaction. Rows that no file ' +
          'leads to are shown, and removed only with --remove. Needs a rebuilder: npm run rebuilder. Where a rebuild ' +
          'of the dataset is open, it attaches to that one.',
      )
      .argument('<dataset>')
      .option(
        '--from <key>',
        'begin with this applied file, which has all tickets; default the newest baseline',
      )
      .option('--as-of <key>', 'leave the table as it was after this file, under another name')
      .option('--remove', 'remove rows that no file leads to')
      .option('--wait', 'follow a rebuild that --yes has begun to its end')
      .option('--values', 'show the ids of tickets that differ'),
  )
    .addHelpText(
      'after',
      "\nExample:\n  $ tidemark rebuild inc --from 2026-06-22T13-00-00.csv --reason 'the source was seeded again' --yes --wait",
    )
    .action((name: string, options: RebuildOptions) =>
      withServers((servers) => rebuild(servers, datasetNamed(name), options)),
    );
}

async function rebuild(servers: Servers, dataset: Dataset, options: RebuildOptions): Promise<void> {
  const reason = reasonOf(options);
  const wanted = {
    from: options.from === undefined ? undefined : changeFileKey(dataset, options.from),
    asOf: options.asOf === undefined ? undefined : changeFileKey(dataset, options.asOf),
    removes: options.remove === true,
  };
  if (wanted.asOf !== undefined && wanted.removes) {
    throw new Problem('--as-of leaves the live table alone, so that --remove has nothing to do');
  }
  // Of another table nothing is to be agreed to.
  const agreed = options.yes === true || wanted.asOf !== undefined;
  if (!agreed) await refuseUnattended(dataset, wanted.removes);
  const client = await servers.temporal();
  const open = await findOpen(client, dataset);
  const run =
    open ??
    (await begin(servers, client, dataset, { ...wanted, agreed, request: { who: whoActs(), reason } }));
  await sayWhereNobodyWorks(client, rebuildQueue(servers.config.taskQueue), 'rebuilder');
  const json = options.json === true;
  const { workflowId } = run.handle;
  if (!json)
    print(`${open ? 'attached to the open rebuild' : 'started'} ${printable(workflowId)}, number ${run.id}`);
  if (agreed && options.wait !== true) {
    if (json) printJson({ dataset: dataset.name, workflowId, rebuild: run.id, attached: open !== undefined });
    return;
  }
  await followRebuild(servers, run, {
    dataset,
    agreed,
    removes: wanted.removes,
    json,
    values: options.values === true ? 'shown' : 'withheld',
  });
}

/** Who cannot be asked once the difference is known is told at once. */
async function refuseUnattended(dataset: Dataset, removes: boolean): Promise<void> {
  if (process.stdin.isTTY && process.stderr.isTTY) {
    note(`tickets.${dataset.table} will be built anew beside the live table; then you are asked.`);
    return;
  }
  const rows = removes ? ', rows that no file leads to removed' : '';
  const what = `What differs will be written into tickets.${dataset.table}${rows}.`;
  await confirm({ what, yes: undefined, unattended: 'refuse' });
}

/** An open rebuild. */
export interface RebuildRun {
  /** In `tickets.rebuilds`. */
  readonly id: number;
  readonly handle: WorkflowHandle<typeof rebuildDataset>;
}

function workflowIdOf(dataset: Dataset): string {
  return `rebuild-${dataset.name}`;
}

async function findOpen(client: Client, dataset: Dataset): Promise<RebuildRun | undefined> {
  const handle = client.workflow.getHandle<typeof rebuildDataset>(workflowIdOf(dataset));
  try {
    const { status, memo, runId } = await handle.describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return undefined;
    const pinned = client.workflow.getHandle<typeof rebuildDataset>(workflowIdOf(dataset), runId);
    return { id: Number(memo?.['rebuild']), handle: pinned };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

interface Wanted {
  readonly from: ObjectKey | undefined;
  readonly asOf: ObjectKey | undefined;
  readonly removes: boolean;
  readonly agreed: boolean;
  readonly request: { readonly who: string; readonly reason: string };
}

/** Who and why go to PostgreSQL alone; Temporal gets the number under which they stand there. */
async function begin(
  servers: Servers,
  client: Client,
  dataset: Dataset,
  { from, asOf, removes, agreed, request }: Wanted,
): Promise<RebuildRun> {
  const id = await askRebuild(servers.db, { dataset: dataset.name, from, asOf, removes, ...request });
  const handle = await client.workflow.start<typeof rebuildDataset>(WORKFLOW_TYPE, {
    workflowId: workflowIdOf(dataset),
    taskQueue: rebuildQueue(servers.config.taskQueue),
    args: [{ dataset: dataset.name, rebuild: id, ...(agreed && { agreed }) }],
    memo: { rebuild: id },
    staticSummary: `${dataset.name}: rebuild number ${id}`,
  });
  return { id, handle };
}
