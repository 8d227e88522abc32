import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { changeFileKey } from './changeFileKey.ts';
import { actsForAReason, confirm, reasonOf, type ActOptions } from './confirm.ts';
import { datasetNamed } from './datasetNamed.ts';
import { agreeTo, followRebuild } from './followRebuild.ts';
import { commandOf, findOrBegin } from './openRebuild.ts';
import { Problem } from './problem.ts';
import { rebuildQueue } from './rebuildQueue.ts';
import { withServers, type Servers } from './servers.ts';
import { sayWhereNobodyWorks } from './start.ts';
import { note, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** Options of `rebuild`. */
interface RebuildOptions extends ActOptions {
  readonly from?: string;
  readonly asOf?: string;
  readonly remove?: boolean;
  readonly removeMany?: boolean;
  readonly removeIncomplete?: boolean;
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
          'leads to are shown, and removed only with --remove. Needs a rebuilder: npm run rebuilder. Where the same ' +
          'rebuild of the dataset is open, it attaches to that one. Ctrl-C before the question leaves it, with exit ' +
          'status 130: the rebuild goes on.',
      )
      .argument('<dataset>')
      .option(
        '--from <key>',
        'begin with this applied file, which has all tickets; default the newest baseline',
      )
      .option('--as-of <key>', 'leave the table as it was after this file, under another name')
      .option('--remove', 'remove rows that no file leads to')
      .option('--remove-many', 'with --remove --yes: even if it is more than a fifth of the tickets')
      .option(
        '--remove-incomplete',
        'with --remove: even if the first file was cut short or has rejected rows',
      )
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
  const removesMany = options.removeMany === true;
  if (removesMany && !(wanted.removes && options.yes === true)) {
    throw new Problem('--remove-many says more of --remove --yes: without these it has nothing to do');
  }
  const removesIncomplete = options.removeIncomplete === true;
  if (removesIncomplete && !wanted.removes) {
    throw new Problem('--remove-incomplete says more of --remove: without it it has nothing to do');
  }
  // Of another table nothing is to be agreed to.
  const agreed = options.yes === true || wanted.asOf !== undefined;
  if (!agreed) await refuseUnattended(dataset, wanted.removes);
  const client = await servers.temporal();
  const request = { who: whoActs(), reason };
  const run = await findOrBegin(servers, client, dataset, {
    ...wanted,
    agreed,
    removesMany,
    removesIncomplete,
    request,
  });
  const { attached, id: rebuild, handle } = run;
  if (attached && options.yes === true) await agreeTo(run, removesMany ? 'any' : 'few');
  await sayWhereNobodyWorks(client, rebuildQueue(servers.config.taskQueue), 'rebuilder');
  const json = options.json === true;
  const { workflowId } = handle;
  const follows = !agreed || options.wait === true;
  const values = options.values === true ? 'shown' : 'withheld';
  // Begun before anything is said of it: who reads that it has started may press Ctrl-C.
  const command = commandOf(dataset, wanted);
  const following = follows
    ? followRebuild(servers, run, { dataset, command, agreed, json, values })
    : undefined;
  if (!json) {
    print(
      `${attached ? 'attached to the open rebuild' : 'started'} ${printable(workflowId)}, number ${rebuild}`,
    );
  }
  if (json && !follows) printJson({ dataset: dataset.name, workflowId, rebuild, attached });
  await following;
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
