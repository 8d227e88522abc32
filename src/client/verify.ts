import type { Command } from 'commander';
import type { FoundRow } from '../postgres/compareCopy.ts';
import { datasetNamed } from './datasetNamed.ts';
import { Problem } from './problem.ts';
import { openProgressLine } from './progressLine.ts';
import { withServers } from './servers.ts';
import { count, counted, print, printable, printJson, styled } from './terminal.ts';
import { verifyTable, type Verification } from './verifyTable.ts';

/** `verify` */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .summary('compare the table with a re-reading of the archive')
    .description(
      'Reads every file that the ledger names, checks its SHA-256, merges all of them in the order of the ledger into ' +
        'a copy that only this command sees, and compares that with the table as it was when the command began. It ' +
        'changes nothing and blocks no load. Where the table differs, or a file could not be read, the exit status is 1.',
    )
    .argument('<dataset>')
    .option('--values', 'show the ids of tickets that differ')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark verify inc')
    .action((name: string, options: { values?: boolean; json?: boolean }) =>
      withServers(async (servers) => {
        const dataset = datasetNamed(name);
        const progress = openProgressLine('merged', 'file');
        const found = await verifyTable(servers, {
          dataset,
          values: options.values === true ? 'shown' : 'withheld',
          onProgress: progress.tell,
        }).finally(progress.end);
        if (options.json === true) printJson({ ...found, rows: found.rows.map(withoutMissing) });
        else printVerification(found);
        failUnlessEqual(found);
      }),
    );
}

/** An id that was withheld is no id that is empty. */
function withoutMissing({ ticketId, ...row }: FoundRow): object {
  return ticketId === null ? row : { ...row, ticketId };
}

function failUnlessEqual({ verdict, unreadTotal, dataset }: Verification): void {
  if (verdict === 'differs') throw new Problem(`the table of ${dataset} is not what its files lead to`);
  if (verdict === 'incomplete') {
    throw new Problem(
      `${counted(unreadTotal, 'file')} could not be merged: what they lead to is not verified`,
    );
  }
}

function printVerification(found: Verification): void {
  print(
    `${found.dataset}: ${counted(found.files, 'file')} merged, ${counted(found.expected, 'row')} expected, ` +
      `${count(found.stored)} stored`,
  );
  for (const key of found.adopted) {
    print(`what another loader did up to ${printable(key)} is not known, and its rows are not verified`);
  }
  for (const { key, why } of found.unread)
    print(styled('yellow', `not merged: ${printable(key)}: ${WHY[why]}`));
  if (found.unreadTotal > found.unread.length) {
    print(`… and ${counted(found.unreadTotal - found.unread.length, 'more file')}`);
  }
  if (found.unverifiable > 0) print(`not verified: ${counted(found.unverifiable, 'row')}`);
  for (const finding of ['missing', 'extra', 'different'] as const) printFinding(found, finding);
  const columns = Object.entries(found.columns).map(([name, n]) => `${name} ${count(n)}`);
  if (columns.length > 0) print(`columns that differ: ${columns.join(', ')}`);
  if (found.verdict === 'equal') print(styled('green', 'the table is what its files lead to'));
}

const WHY = {
  gone: 'its object is gone, from changes/ and from the archive',
  altered: 'its object has other bytes than the ledger says',
  refused: 'the dataset as it is defined now refuses it',
} as const;

const MEANING = {
  missing: 'is not in the table',
  extra: 'is in the table, and no file leads to it',
  different: 'has other values, or comes from another line',
} as const;

function printFinding(found: Verification, finding: FoundRow['finding']): void {
  const total = found[finding];
  if (total === 0) return;
  print(styled('red', `${finding}: ${counted(total, 'row')}`));
  const rows = found.rows.filter((row) => row.finding === finding);
  for (const { key, line, ticketId } of rows) {
    const id = ticketId === null ? '' : `${printable(ticketId)}: `;
    print(`  ${id}the row of ${printable(key)} line ${line} ${MEANING[finding]}`);
  }
  if (total > rows.length) print(`  … and ${count(total - rows.length)} more`);
}
