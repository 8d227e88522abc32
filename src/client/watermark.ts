import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { readWatermark } from '../postgres/adopt.ts';
import { actsForAReason, reasonOf, type ActOptions } from './confirm.ts';
import { datasetNamed } from './datasetNamed.ts';
import { withServers, type Servers } from './servers.ts';
import { setWatermark } from './setWatermark.ts';
import { localTime, print, printable, printJson } from './terminal.ts';

/** `watermark` and its verbs. */
export function addWatermark(program: Command): void {
  const watermark = program
    .command('watermark')
    .summary('the watermark: show, set')
    .description('The newest change file applied, or adopted from another loader.')
    .addHelpText('after', '\nExample:\n  $ tidemark watermark show inc');
  watermark
    .command('show')
    .summary('the watermark, and the deed that put it there')
    .description('Asks PostgreSQL alone.')
    .argument('<dataset>')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark watermark show inc --json | jq -r .watermark')
    .action((name: string, options: { json?: boolean }) =>
      withServers((servers) => show(servers, datasetNamed(name), options.json === true)),
    );
  actsForAReason(
    watermark
      .command('set')
      .summary('move the watermark forward: what lies at or below it is covered, and never loaded')
      .description(
        'Records in the ledger that all files up to this one are in the table already, by another loader. Files at ' +
          'or below it that the ledger does not know are covered: no run loads or archives them, and late ones are ' +
          'no longer reported. The watermark cannot be moved back.',
      )
      .argument('<dataset>')
      .argument('<key>', 'the file, by key, by bare name or by stamp'),
  )
    .option('--force', 'with --yes: also where files would be left for good, or the table is empty')
    .addHelpText(
      'after',
      "\nExample:\n  $ tidemark watermark set inc 2026-06-22T13-00-00 --reason 'loaded until then by the old loader' --yes",
    )
    .action((name: string, text: string, options: ActOptions & { force?: boolean }) =>
      withServers((servers) =>
        setWatermark(servers, datasetNamed(name), text, { ...options, reason: reasonOf(options) }),
      ),
    );
}

async function show({ db }: Servers, dataset: Dataset, json: boolean): Promise<void> {
  const deed = await readWatermark(db, dataset.name);
  if (json) {
    const { watermark, exportType, at, who, reason, adoptedUpTo } = deed ?? {};
    return printJson({
      dataset: dataset.name,
      watermark: watermark ?? null,
      exportType: exportType ?? null,
      at: at?.toISOString() ?? null,
      who: who ?? null,
      reason: reason ?? null,
      adoptedUpTo: adoptedUpTo ?? null,
    });
  }
  if (!deed) return print(`${dataset.name} has no watermark: the first file that is loaded is the baseline`);
  print(printable(deed.watermark));
  const by = deed.who === null ? '' : ` by ${printable(deed.who)}`;
  const why = deed.reason === null ? '' : `: ${printable(deed.reason)}`;
  print(`${deed.exportType}, ${localTime(deed.at, dataset.timeZone)}${by}${why}`);
  if (deed.adoptedUpTo !== null) print(`adopted up to ${printable(deed.adoptedUpTo)}`);
}
