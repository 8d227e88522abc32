/** Waiting for a rebuild: how far it is, what differs, whether to go on, and what came of it. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Difference } from '../domain/difference.ts';
import { readFoundRows, readRebuild, type FoundRow } from '../postgres/rebuildRecord.ts';
import type { RebuildResult } from '../workflows/rebuildDataset.ts';
import { confirm, NOT_CONFIRMED } from './confirm.ts';
import { problemOf } from './followRun.ts';
import { Problem } from './problem.ts';
import { openProgressLine } from './progressLine.ts';
import type { RebuildRun } from './rebuild.ts';
import type { Servers } from './servers.ts';
import { count, counted, print, printable, printJson, styled } from './terminal.ts';

/** Often enough to look alive, seldom enough to cost nothing. */
const LOOK_MS = 500;

/** The signal that a rebuild waits for. */
const DECIDE = 'decide';

/** Dropping a table takes a moment. */
const DROP_MS = 10_000;

/** Rows shown of each finding. */
const MAX_SHOWN = 20;

/** What is followed, and how. */
export interface FollowRebuild {
  readonly dataset: Dataset;
  /** Whether the difference was agreed to before it was known. */
  readonly agreed: boolean;
  readonly removes: boolean;
  readonly json: boolean;
  readonly values: 'withheld' | 'shown';
}

/** Follows a rebuild to its end. */
export async function followRebuild(servers: Servers, run: RebuildRun, input: FollowRebuild): Promise<void> {
  const { dataset, json } = input;
  const ended = run.handle.result().then(
    (result) => ({ result }) as const,
    (error: unknown) => ({ error }) as const,
  );
  const difference = await untilCompared(servers, run, ended);
  const rows = await foundRows(servers, run, input);
  if (difference && !json) printDifference(dataset, difference, rows);
  if (difference && !input.agreed) await ask(run, input, difference, ended);
  const end = await ended;
  if ('error' in end) throw problemOf(end.error, run.handle);
  const { result } = end;
  if (json) printJson({ ...result, found: rows.map(withoutMissing) });
  else printResult(dataset, result, input);
  if (result.outcome === 'dropped') throw new Problem('not confirmed: nothing was done', NOT_CONFIRMED);
}

/** Tells how far it is until the difference is known; undefined where the rebuild ends without one. */
async function untilCompared(
  { db }: Servers,
  { id }: RebuildRun,
  ended: Promise<unknown>,
): Promise<Difference | undefined> {
  const progress = openProgressLine('merged', 'file');
  let over = false;
  void ended.then(() => (over = true));
  try {
    for (;;) {
      const last = over;
      const { difference, filesDone, filesTotal } = await readRebuild(db, id);
      if (difference || last) return difference ?? undefined;
      if (filesTotal > 0) progress.tell(filesDone, filesTotal);
      await within(LOOK_MS, ended);
    }
  } finally {
    progress.end();
  }
}

/** Asks, and tells the rebuild. */
async function ask(
  { handle }: RebuildRun,
  { dataset, removes }: FollowRebuild,
  { missing, different, extra }: Difference,
  ended: Promise<unknown>,
): Promise<void> {
  const parts = [`${counted(missing, 'row')} inserted`, `${count(different)} updated`];
  if (removes) parts.push(`${count(extra)} removed`);
  const what = `In tickets.${dataset.table}: ${parts.join(', ')}.`;
  try {
    await confirm({ what, yes: undefined, unattended: 'refuse' });
  } catch (error) {
    await handle.signal(DECIDE, false);
    // The next rebuild of the dataset is a new one, and none to attach to; a rebuilder that is gone is not waited for.
    await within(DROP_MS, ended);
    throw error;
  }
  await handle.signal(DECIDE, true);
}

/** Waits at most this long. */
async function within(ms: number, end: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([end, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

function foundRows(
  { db }: Servers,
  { id }: RebuildRun,
  { values }: FollowRebuild,
): Promise<readonly FoundRow[]> {
  return readFoundRows(db, { id, limit: MAX_SHOWN, values });
}

/** An id that was withheld is no id that is empty. */
function withoutMissing({ ticket, ...row }: FoundRow): object {
  return ticket === null ? row : { ...row, ticket };
}

const MEANING = {
  missing: 'is not in the table',
  different: 'has other values, or comes from another line',
  extra: 'is in the table, and no file leads to it',
} as const;

function printDifference(dataset: Dataset, difference: Difference, rows: readonly FoundRow[]): void {
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

function printResult(dataset: Dataset, result: RebuildResult, { removes }: FollowRebuild): void {
  const { outcome, files, from, inserted = 0, updated = 0, removed = 0, table, rows = 0 } = result;
  const merged = `${counted(files, 'file')} merged, from ${printable(from)} on`;
  if (outcome === 'kept') print(`${merged}\n${table ?? ''}: ${counted(rows, 'row')}`);
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
