import type { Plan, PlannedFile } from './plan.ts';
import { nameOf } from '../domain/changeFile.ts';
import type { ScannedFile } from './scan.ts';
import { count, counted, print, printable, printTable, styled } from './terminal.ts';

/** Prints what a run would do. */
export function printPlan(plan: Plan): void {
  print(`watermark: ${plan.watermark === null ? 'none' : printable(plan.watermark)}`);
  if (plan.files.length > 0) {
    printTable(
      [{ title: 'STATE' }, { title: 'A RUN WOULD' }, { title: 'BYTES', align: 'right' }, { title: 'KEY' }],
      plan.files.map((file) => [file.state, file.would, count(file.size), printable(file.key)]),
    );
  }
  printEnd(plan);
}

function printEnd(plan: Plan): void {
  print(`a run would load ${counted(plan.loads, 'file')}`);
  const last = plan.files.find((file) => file.key === plan.stopsAt && isEnd(file));
  if (!last) return;
  const how = last.would === 'wait' ? 'and end, because this file is too young yet' : 'and fail';
  print(styled('yellow', `${how}: ${printable(last.failure?.message ?? last.key)}`));
}

function isEnd({ would }: PlannedFile): boolean {
  return would === 'stop' || would === 'wait';
}

/** Prints what a scan found; keys, lines, columns and counts, never a value. */
export function printScan(plan: Plan, files: readonly ScannedFile[]): void {
  if (files.length > 0) printCounts(files);
  for (const file of files) printFindings(file);
  printEnd(plan);
  const behind = files.findIndex(({ failure }) => failure !== null) + 1;
  if (behind > 0 && behind < files.length) {
    print('what is counted behind a refused file lacks the rows of that file');
  }
}

function printCounts(files: readonly ScannedFile[]): void {
  const titles = [
    'READ',
    'INSERTED',
    'UPDATED',
    'UNCHANGED',
    'SUPERSEDED',
    'STALE',
    'ALARM',
    'SENTINEL',
    'REJECTED',
  ];
  printTable(
    [{ title: 'FILE' }, ...titles.map((title) => ({ title, align: 'right' as const }))],
    files.map(({ key, counts: c, rejects }) => {
      const numbers = c
        ? [c.read, c.inserted, c.updated, c.unchanged, c.superseded, c.stale, c.alarm, c.sentinel, c.rejected]
        : [];
      const cells = c ? numbers.map(count) : [...titles.slice(1).map(() => '-'), count(rejects.length)];
      return [printable(nameOf(key)), ...cells];
    }),
  );
}

function printFindings(file: ScannedFile): void {
  const lines = [
    ...(file.failure ? [styled('red', `refused: ${printable(file.failure.message)}`)] : []),
    ...file.rejects.map(({ line, column, reason }) => {
      const at = column === undefined ? '' : `, column ${printable(column)}`;
      return `rejected: line ${line}${at}: ${reason}`;
    }),
    ...(file.unknownColumns.length > 0
      ? [`unknown columns, ignored: ${file.unknownColumns.map(printable).join(', ')}`]
      : []),
    ...Object.entries(file.unknownValues).map(
      ([column, n]) => `${counted(n, 'unknown value')} of ${column}, kept as they are`,
    ),
    ...Object.entries(file.nulled).map(
      ([column, n]) => `${counted(n, 'invalid value')} of ${column} become NULL`,
    ),
  ];
  if (lines.length === 0) return;
  print(printable(nameOf(file.key)));
  for (const line of lines) print(`  ${line}`);
}
