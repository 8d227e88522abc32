import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { nameOf } from '../domain/changeFile.ts';
import { datasetNamed } from './datasetNamed.ts';
import { explainTicket, type Explanation, type TouchingRow } from './explainTicket.ts';
import { Problem } from './problem.ts';
import { openProgressLine } from './progressLine.ts';
import { withServers } from './servers.ts';
import { counted, localTime, print, printable, printJson, printTable, styled } from './terminal.ts';

/** The longest primary key, bytes. */
const MAX_TICKET_BYTES = 1_000;

/** `explain` */
export function addExplain(program: Command): void {
  program
    .command('explain')
    .summary('which files touched a ticket, by line')
    .description(
      'Looks through every file that the ledger names, in processed/, changes/ and skipped/, and through those that ' +
        'are not applied. Shows each row of the ticket by file and line, what the load did with it, and from which ' +
        'file the stored row comes. No value of a row is shown; it changes nothing and blocks no load.',
    )
    .argument('<dataset>')
    .argument('<ticket_id>')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark explain inc INC-1')
    .action((name: string, text: string, options: { json?: boolean }) =>
      withServers(async (servers) => {
        const dataset = datasetNamed(name);
        const ticket = ticketOf(text);
        const progress = openProgressLine('looked through', 'file');
        const explanation = await explainTicket(servers, dataset, ticket, progress.tell).finally(
          progress.end,
        );
        if (options.json === true) printJson(explanation);
        else printExplanation(dataset, explanation);
      }),
    );
}

/** Trimmed as the reader does. @throws Problem where no row can have it */
function ticketOf(text: string): string {
  const ticket = text.trim();
  if (ticket !== '' && Buffer.byteLength(ticket) <= MAX_TICKET_BYTES) return ticket;
  throw new Problem('no ticket has this id: it is empty or longer than 1,000 bytes');
}

function printExplanation({ timeZone }: Dataset, explanation: Explanation): void {
  const { dataset, ticketId, filesRead, rows, adopted } = explanation;
  print(`${styled('bold', printable(ticketId))} in ${dataset}, ${counted(filesRead, 'file')} looked through`);
  if (rows.length === 0) print('no file has it');
  else {
    printTable(
      [
        { title: 'FILE' },
        { title: 'LINE', align: 'right' },
        { title: 'FILE WAS' },
        { title: 'ROW WAS' },
        { title: 'IMPORTED AT' },
        { title: 'LIES IN' },
      ],
      rows.map((row) => [
        printable(nameOf(row.key)),
        String(row.line),
        row.as,
        deedOf(row),
        localTime(row.importedAt, timeZone),
        printable(row.at.slice(0, row.at.lastIndexOf('/') + 1)),
      ]),
    );
    print(`times are of ${timeZone}`);
  }
  for (const key of adopted) {
    print(`what another loader did up to ${printable(key)} is not known: the first row may have been there`);
  }
  for (const { key, why, line } of explanation.unread) {
    print(
      styled(
        'yellow',
        `not read: ${printable(key)}${line === null ? '' : ` from line ${line} on`}: ${WHY[why]}`,
      ),
    );
  }
  printStored(explanation, timeZone);
}

const WHY = {
  gone: 'its object is gone, from changes/ and from the archive',
  altered: 'its object has other bytes than the ledger says',
  malformed: 'it is no CSV of UTF-8 text, or its header does not fit',
} as const;

function deedOf({ deed, would, reason, column }: TouchingRow): string {
  const known = would === null || would === 'merged' ? deed : `${deed} (${would})`;
  if (reason === null) return known;
  return `${known}: ${column === null ? '' : `${column} is `}${reason}`;
}

function printStored({ dataset, stored, agrees }: Explanation, timeZone: string): void {
  if (!stored) print('stored row: none');
  else {
    const at = localTime(stored.loadedAt, timeZone);
    print(`stored row: of ${printable(nameOf(stored.sourceKey))} line ${stored.sourceLine}, loaded at ${at}`);
  }
  if (agrees !== false) return;
  print(
    styled('red', 'the files lead to another row than the stored one') +
      `: somebody else wrote to the table. Compare it: tidemark verify ${dataset}`,
  );
}
