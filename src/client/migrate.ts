import type { Command } from 'commander';
import { migrate } from '../postgres/migrate.ts';
import { withServers } from './servers.ts';
import { counted, print } from './terminal.ts';

/** `migrate` */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('bring the schema tickets up to date')
    .description('Applies the numbered SQL files of migrations/ that are missing, all of them or none.')
    .addHelpText('after', '\nExample:\n  $ tidemark migrate\n  applied 0001_ledger.sql')
    .action(() =>
      withServers(async ({ db }) => {
        const { applied, present } = await migrate(db);
        for (const name of applied) print(`applied ${name}`);
        if (applied.length === 0) print(`nothing to do: ${counted(present, 'migration')} applied before`);
      }),
    );
}
