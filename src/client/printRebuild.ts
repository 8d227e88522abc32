/** What a rebuild has found, and what came of it, for people. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Difference } from '../domain/difference.ts';
import type { FoundRow, Rebuild } from '../postgres/rebuildRecord.ts';
import type { RebuildResult } from '../workflows/rebuildDataset.ts';
import { count, counted, print, printable, styled } from './terminal.ts';

const MEANING = {
  missing: 'is not in the table',
  different: 'has other values, or comes from another line',
  extra: 'is in the table, and no file leads to it',
} as const;

/** Prints the difference, with some rows of each kind. */
export function printDifference(dataset: Dataset, difference: Difference, rows: readonly FoundRow[]): void {
  const { stored, built, missing, different, extra, columns } = difference;
  print(`${dataset.name}: ${counted(built, 'row')} built, ${count(stored)} stored`);
  for (const finding of ['missing', 'different', 'extra'] as const) {
    const total = difference[finding];
    if (total === 0) continue;
    print(styled('yellow', `${finding}: ${counted(total, 'row')}`));
    const shown = rows.filter((row) => row.finding === finding);
    for (const { key, line, ticket } of shown) {
      const id = ticket === null ? '' : `${printable(ticket)}: `;
      print(`  ${id}the row of ${printable(key)} line ${line} ${MEANING[finding]}`);
    }
    if (total > shown.length) print(`  … and ${count(total - shown.length)} more`);
  }
  const differing = Object.entries(columns).map(([name, n]) => `${name} ${count(n)}`);
  if (differing.length > 0) print(`columns that differ: ${differing.join(', ')}`);
  if (missing + different + extra === 0) print(styled('green', 'the table is what its files lead to'));
}

/** Prints how it ended. */
export function printResult(dataset: Dataset, result: RebuildResult, { removes }: Rebuild): void {
  const { outcome, files, from, inserted = 0, updated = 0, removed = 0, table, rows = 0 } = result;
  const merged = `${counted(files, 'file')} merged, from ${printable(from)} on`;
  if (outcome === 'kept') print(`${merged}\n${table ?? ''}: ${counted(rows, 'row')}`);
  if (result.grants === 'withheld') {
    print(
      `tickets.${dataset.table} has row level security: only tidemark_rebuilder may read it; others: grant select, and policies`,
    );
  }
  if (outcome !== 'applied') return;
  print(merged);
  print(
    `tickets.${dataset.table}: inserted ${count(inserted)}, updated ${count(updated)}, removed ${count(removed)}`,
  );
  const extra = result.difference?.extra ?? 0;
  if (extra > 0 && !removes) {
    print(`${counted(extra, 'row')} that no file leads to left where they are; to take them out: --remove`);
  }
}
