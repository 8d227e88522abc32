import type { Command } from 'commander';
import { migrate } from '../postgres/migrate.ts';
import type { MovedIn } from '../postgres/moveIn.ts';
import { describeProblem } from './problem.ts';
import { registerAttributes } from './searchAttributes.ts';
import { withServers, type Servers } from './servers.ts';
import { counted, note, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** `migrate` */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('bring the schema tickets up to date')
    .description(
      'Applies the numbered SQL files of migrations/ that are missing, all of them or none. Where an older loader ' +
        'left a tickets.import_meta of its own, that table is set aside under another name, and its newest ' +
        'source_max_key is adopted as the watermark. Stop the older loader before. Then registers the search ' +
        'attributes of runs in Temporal, if it can be reached and allows it.',
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark migrate\n  applied 0001_ledger.sql')
    .action(({ json }: { json?: boolean }) =>
      withServers(async (servers) => {
        const { applied, present, movedIn } = await migrate(servers.db, whoActs());
        if (json !== true) {
          for (const name of applied) print(`applied ${name}`);
          if (applied.length === 0) print(`nothing to do: ${counted(present, 'migration')} applied before`);
          if (movedIn) printMovedIn(movedIn);
        }
        const registered = await offerAttributes(servers);
        if (json === true) printJson({ applied, present, movedIn: movedIn ?? null, registered });
        else if (registered.length > 0) print(`registered the search attributes ${registered.join(', ')}`);
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

/**
 * Registers the search attributes; a server that cannot be reached, or does not allow it, is no reason to fail.
 *
 * @returns those that were missing
 */
async function offerAttributes({ temporal, config }: Servers): Promise<readonly string[]> {
  try {
    return await registerAttributes(await temporal());
  } catch (error) {
    note(
      `the search attributes of runs are not registered, and left out: ${describeProblem(error, config)}. ` +
        'To try again: tidemark migrate',
    );
    return [];
  }
}
