import type { Command } from 'commander';
import { migrate } from '../postgres/migrate.ts';
import type { MovedIn } from '../postgres/moveIn.ts';
import { withServers } from './servers.ts';
import { counted, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** `migrate` */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('bring the schema tickets up to date')
    .description(
      'Applies the numbered SQL files of migrations/ that are missing, all of them or none. Where an older loader ' +
        'left a tickets.import_meta of its own, that table is set aside under another name, and its newest ' +
        'source_max_key is adopted as the watermark. Stop the older loader before.',
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark migrate\n  applied 0001_ledger.sql')
    .action(({ json }: { json?: boolean }) =>
      withServers(async ({ db }) => {
        const { applied, present, movedIn } = await migrate(db, whoActs());
        if (json === true) return printJson({ applied, present, movedIn: movedIn ?? null });
        for (const name of applied) print(`applied ${name}`);
        if (applied.length === 0) print(`nothing to do: ${counted(present, 'migration')} applied before`);
        if (movedIn) printMovedIn(movedIn);
      }),
    );
}

function printMovedIn({ setAside, adopted }: MovedIn): void {
  print(`an older loader's ledger was found: tickets.import_meta is now tickets.${setAside}`);
  if (adopted.length === 0) print('it held no watermark: the first file that is loaded is the baseline');
  for (const { dataset, watermark, tableIsEmpty } of adopted) {
    print(`${dataset}: watermark ${printable(watermark)}, adopted; what lies at or below it is covered`);
    if (!tableIsEmpty) continue;
    print(`  tickets.${dataset} is empty: later files would be applied without a baseline. Load it before:`);
    print(`  tidemark apply-late ${dataset} KEY --reason TEXT`);
  }
}
