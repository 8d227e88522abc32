import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { SHADOWS } from '../datasets/index.ts';
import { compareTables, type TableComparison } from '../postgres/compareTables.ts';
import { datasetNamed } from './datasetNamed.ts';
import { Problem } from './problem.ts';
import { withServers } from './servers.ts';
import { count, print, printable, printJson, printTable } from './terminal.ts';

/** A table's name, with its schema. */
const TABLE = /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/;

/** `compare` */
export function addCompare(program: Command): void {
  program
    .command('compare')
    .summary("compare a dataset's shadow table with the live one")
    .description(
      'Counts the rows that only one of the two has, and those that differ, by column. Reads both tables and writes ' +
        'nothing. Exit status 1 where they are not the same. Which tickets, is shown only with --values.',
    )
    .argument('<dataset>')
    .option('--live <schema.table>', 'the live table, where it is another than the dataset’s own')
    .option('--values', 'show the ids of the first 100 tickets that are not the same')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark compare inc')
    .action((name: string, options: { live?: string; values?: boolean; json?: boolean }) =>
      withServers(async ({ db }) => {
        const dataset = datasetNamed(name);
        const shadow = shadowOfNamed(dataset);
        const live = options.live ?? `tickets.${dataset.table}`;
        if (!TABLE.test(live)) throw new Problem('--live must be schema.table, in plain lower-case names');
        const found = await compareTables(db, shadow, live, options.values === true ? 'shown' : 'withheld');
        if (options.json === true)
          printJson({ dataset: name, shadow: `tickets.${shadow.table}`, live, ...found });
        else printComparison(`tickets.${shadow.table}`, live, found);
        if (found.onlyShadow + found.onlyLive + found.differing + found.missing.length > 0) {
          throw new Problem(`tickets.${shadow.table} and ${live} are not the same`);
        }
      }),
    );
}

function shadowOfNamed({ name }: Dataset): Dataset {
  const shadow = SHADOWS.find((candidate) => candidate.shadowOf === name);
  if (shadow) return shadow;
  throw new Problem(`${name} has no shadow. Those that have: ${SHADOWS.map((s) => s.shadowOf).join(', ')}`);
}

function printComparison(shadow: string, live: string, found: TableComparison): void {
  print(`rows            ${count(found.rows.shadow)} in ${shadow}, ${count(found.rows.live)} in ${live}`);
  print(`only in shadow  ${count(found.onlyShadow)}`);
  print(`only in live    ${count(found.onlyLive)}`);
  print(`differing       ${count(found.differing)}`);
  for (const [column, n] of Object.entries(found.columns)) print(`  ${column}  ${count(n)}`);
  if (found.missing.length > 0) print(`not in live     ${found.missing.join(', ')}`);
  if (found.asText.length > 0) print(`as text         ${found.asText.join(', ')}`);
  if (!found.tickets || found.tickets.length === 0) return;
  printTable(
    [{ title: 'TICKET' }, { title: 'IN' }, { title: 'COLUMNS' }],
    found.tickets.map((ticket) => [printable(ticket.key), ticket.in, ticket.columns.join(', ')]),
  );
}
