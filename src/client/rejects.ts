import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { readRejects, type RejectedFile, type RejectedRow } from '../postgres/deeds.ts';
import { changeFileKey } from './changeFileKey.ts';
import { datasetNamed } from './datasetNamed.ts';
import { withServers } from './servers.ts';
import { count, counted, localTime, print, printable, printJson, printTable, styled } from './terminal.ts';

/** `rejects` */
export function addRejects(program: Command): void {
  program
    .command('rejects')
    .summary('rejected rows: line, column, reason')
    .description(
      'Shows the rows that were rejected, the first 100 of each content of a file. Their text is kept in PostgreSQL ' +
        'alone, and shown only with --values: it holds the values of tickets.',
    )
    .argument('<dataset>')
    .argument('[key]', 'one file, by key or by bare name')
    .option('--values', 'show the text of each row')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark rejects inc 2026-06-22T13-00-00.csv')
    .action((name: string, key: string | undefined, options: { values?: boolean; json?: boolean }) =>
      withServers(async ({ db }) => {
        const dataset = datasetNamed(name);
        const files = await readRejects(db, {
          dataset: name,
          key: key === undefined ? undefined : changeFileKey(dataset, key),
          values: options.values === true ? 'shown' : 'withheld',
        });
        if (options.json === true) printJson({ dataset: name, files: files.map(withoutMissing) });
        else printRejects(dataset, files);
      }),
    );
}

/** A text that was withheld is no text that was empty. */
function withoutMissing(file: RejectedFile): object {
  return { ...file, rows: file.rows.map(({ row, ...place }) => (row === null ? place : { ...place, row })) };
}

function printRejects({ timeZone }: Dataset, files: readonly RejectedFile[]): void {
  if (files.length === 0) return print('no row was rejected');
  for (const [i, file] of files.entries()) {
    if (i > 0) print();
    const shown = file.rows.length < file.total ? `, the first ${count(file.rows.length)} shown` : '';
    print(styled('bold', printable(file.key)));
    print(
      `${counted(file.total, 'row')} rejected${shown}; ${localTime(file.rejectedAt, timeZone)}; ${standing(file)}`,
    );
    printTable(
      [{ title: 'LINE', align: 'right' }, { title: 'COLUMN' }, { title: 'REASON' }, { title: 'ROW' }].slice(
        0,
        file.rows.some(({ row }) => row !== null) ? 4 : 3,
      ) as { title: string }[],
      file.rows.map(cellsOf),
    );
  }
}

function standing({ open, resolution, etag }: RejectedFile): string {
  const content = `content ${printable(etag.slice(0, 8))}`;
  if (open) return `${content}: refused, the dataset stops there`;
  return `${content}: ${resolution === null ? 'within what the dataset allows' : `settled (${resolution})`}`;
}

function cellsOf({ line, column, reason, row }: RejectedRow): string[] {
  const cells = [String(line), column === null ? '-' : printable(column), printable(reason)];
  return row === null ? cells : [...cells, printable(row)];
}
