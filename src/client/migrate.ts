import type { Command } from 'commander';
import { migrate } from '../postgres/migrate.ts';
import { describeProblem } from './problem.ts';
import { registerAttributes } from './searchAttributes.ts';
import { withServers, type Servers } from './servers.ts';
import { counted, note, print } from './terminal.ts';

/** `migrate` */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('bring the schema tickets up to date')
    .description(
      'Applies the numbered SQL files of migrations/ that are missing, all of them or none. Then registers the ' +
        'search attributes of runs in Temporal, if it can be reached and allows it.',
    )
    .addHelpText('after', '\nExample:\n  $ tidemark migrate\n  applied 0001_ledger.sql')
    .action(() =>
      withServers(async (servers) => {
        const { applied, present } = await migrate(servers.db);
        for (const name of applied) print(`applied ${name}`);
        if (applied.length === 0) print(`nothing to do: ${counted(present, 'migration')} applied before`);
        await offerAttributes(servers);
      }),
    );
}

/** Registers the search attributes; a server that cannot be reached, or does not allow it, is no reason to fail. */
async function offerAttributes({ temporal, config }: Servers): Promise<void> {
  try {
    const registered = await registerAttributes(await temporal());
    if (registered.length > 0) print(`registered the search attributes ${registered.join(', ')}`);
  } catch (error) {
    note(
      `the search attributes of runs are not registered, and left out: ${describeProblem(error, config)}. ` +
        'To try again: tidemark migrate',
    );
  }
}
