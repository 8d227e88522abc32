/** What is wrong with a dataset, the worst first, and what to type. */

import { progressedAt, type OpenFailure } from '../../postgres/status.ts';
import { nameOf } from '../../domain/changeFile.ts';
import { ALERT_LIMITS } from '../../domain/alerts.ts';
import { missedChecks } from '../../monitoring/missedChecks.ts';
import { ago, counted } from '../terminal.ts';
import { agedBy, type DatasetView } from './snapshot.ts';

/** Something that needs a person. */
export interface Concern {
  /** `bad` stops the dataset, blinds the page or leaves old data; `warn` does not. */
  readonly level: 'bad' | 'warn';
  /** Of one that stops the dataset. */
  readonly stops?: true;
  readonly title: string;
  /** What it means, and what to do. */
  readonly advice: string;
  /** Keys that it is about, the first few. */
  readonly keys: readonly string[];
  /** A command that deals with it. */
  readonly command?: string;
}

/** When somebody looks, and what is old to them. */
export interface Look {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Seconds without a new applied file after which the exporter is silent. */
  readonly silentAfter: number;
}

/** Keys shown of each concern. */
const MAX_SHOWN = 5;

/** All that needs a person, the worst first. */
export function concernsOf(view: DatasetView, look: Look): readonly Concern[] {
  const { at: now } = look;
  const behind = forgotten(view);
  // Its runs end before they note that they looked: nothing is wrong with worker or Schedule.
  const unchecked = behind.length === 0 && isUnchecked(view, now);
  return [
    ...behind,
    ...refusals(view),
    ...silence(view, look, unchecked),
    ...(unchecked ? [] : unfed(view, look)),
    ...listed(view),
    ...(unchecked ? [unattended(view, now)] : []),
    ...unarchived(view, now),
    ...truncation(view),
    ...rebuilding(view),
  ];
}

function forgotten({ dataset, listing }: DatasetView): readonly Concern[] {
  const key = listing.value?.forgotten ?? null;
  if (key === null) return [];
  return [
    {
      level: 'bad',
      stops: true,
      title: `LedgerBehind: runs of ${dataset.name} apply nothing`,
      advice:
        'This file is archived, and the ledger does not know it: PostgreSQL was restored to an earlier point, or somebody else ' +
        `put it there. Move it and all later ones from ${dataset.processedPrefix} back to ${dataset.changesPrefix}. To see it again:`,
      keys: [nameOf(key)],
      command: `tidemark plan ${dataset.name}`,
    },
  ];
}

function refusals({ dataset, listing }: DatasetView): readonly Concern[] {
  const failed = listing.value?.failed ?? [];
  const [first] = failed;
  if (!first) return [];
  const name = nameOf(first.key);
  const gone = first.kind === 'FileVanished';
  return [
    {
      level: 'bad',
      stops: true,
      title: `${counted(failed.length, 'file')} ${gone ? 'missing' : 'refused'}: ${dataset.name} stops at ${name}`,
      advice: gone
        ? 'Put the object back and the next run goes on; or, if its rows can be done without, skip it:'
        : 'Mend the object in S3 and the next run goes on; or, if its rows can be done without, skip it:',
      keys: failed.slice(0, MAX_SHOWN).map(placeOf),
      command: `tidemark skip ${dataset.name} ${quoted(name)} --reason '…'`,
    },
  ];
}

function placeOf({ key, kind, line, column }: OpenFailure): string {
  const place = [line === null ? [] : [`line ${line}`], column === null ? [] : [`column ${column}`]].flat();
  return [`${nameOf(key)}: ${kind}`, ...place].join(', ');
}

function listed({ dataset, listing }: DatasetView): readonly Concern[] {
  const seen = listing.value?.seen;
  if (!seen) return [];
  const concern = (
    list: { readonly total: number; readonly keys: readonly string[] },
    title: string,
    advice: string,
    verb?: string,
  ): readonly Concern[] => {
    const [first] = list.keys;
    if (first === undefined) return [];
    const command =
      verb === undefined
        ? {}
        : { command: `tidemark ${verb} ${dataset.name} ${quoted(nameOf(first))} --reason '…'` };
    const keys = list.keys.slice(0, MAX_SHOWN).map(nameOf);
    return [{ level: 'warn', title: `${counted(list.total, 'file')} ${title}`, advice, keys, ...command }];
  };
  return [
    ...concern(
      seen.changed,
      'changed after it was applied',
      'The table still holds the old content. Load the new one where its rows are newer:',
      'reload',
    ),
    ...(dataset.latePolicy === 'hold'
      ? concern(
          seen.late,
          'late',
          'It landed after a later file was applied, and is held. Apply its newer rows:',
          'apply-late',
        )
      : []),
    ...concern(
      seen.future,
      'from the future',
      'Its name lies more than an hour ahead of S3’s clock. Correct the exporter’s clock, and remove or rename the object.',
    ),
  ];
}

/** Whether the Schedule came round three times, and nobody looked or applied anything, as the alert has it. */
function isUnchecked({ dataset, ledger }: DatasetView, now: number): boolean {
  if (!dataset.enabled || !ledger.value) return false;
  return missedChecks(dataset, progressedAt(ledger.value.status), new Date(now)) >= ALERT_LIMITS.missedChecks;
}

function unattended({ dataset, ledger, listing }: DatasetView, now: number): Concern {
  const looked = ledger.value && progressedAt(ledger.value.status);
  const waiting = listing.value?.seen.pending.total ?? 0;
  return {
    level: 'warn',
    title: looked
      ? `no run has looked for ${ago((now - looked.getTime()) / 1000)}`
      : `no run has looked at ${dataset.name} yet`,
    advice: `${waiting > 0 ? `${counted(waiting, 'file')} waiting. ` : ''}See that a worker is up and the Schedule is not paused:`,
    keys: [],
    command: 'tidemark schedule list',
  };
}

/** Nothing new is applied: the data are stale, or the exporter, which is looked at in vain, is silent. */
function silence(
  { dataset, ledger, listing }: DatasetView,
  { at: now, silentAfter }: Look,
  unchecked: boolean,
): readonly Concern[] {
  const freshness = ledger.value?.status?.freshnessSeconds;
  if (!dataset.enabled || freshness == null) return [];
  const age = freshness + agedBy(ledger, now);
  const idle = listing.value?.seen.pending.total === 0 && listing.value.failed.length === 0;
  const silent = idle && !unchecked;
  if (age <= (silent ? silentAfter : 2 * silentAfter)) return [];
  return [
    {
      level: age > 2 * silentAfter ? 'bad' : 'warn',
      title: `the newest applied export is ${ago(age)} old`,
      advice: silent
        ? 'Runs look, and nothing new is there: see that the exporter runs.'
        : 'Mend what else is said here. Where that is nothing, a load is slow; this follows it:',
      keys: [],
      ...(!silent && { command: `tidemark start ${dataset.name} --wait` }),
    },
  ];
}

/** Runs look, and no file was ever applied. */
function unfed({ dataset, ledger }: DatasetView, { at: now, silentAfter }: Look): readonly Concern[] {
  const status = ledger.value?.status;
  if (!dataset.enabled || !status || status.freshnessSeconds !== null) return [];
  const age = status.enabledSeconds + agedBy(ledger, now);
  if (age <= silentAfter) return [];
  return [
    {
      level: 'warn',
      title: `no file was ever applied, for ${ago(age)}`,
      advice: 'Runs look. See that the exporter writes, and under which names; this lists what is there:',
      keys: [],
      command: `tidemark plan ${dataset.name}`,
    },
  ];
}

/** What is left to do is not done. */
function unarchived({ dataset, ledger }: DatasetView, now: number): readonly Concern[] {
  const debt = ledger.value?.status?.archiveDebt ?? 0;
  if (!dataset.enabled || debt === 0 || isUnderWay(ledger.value?.deeds[0]?.importedAt, now)) return [];
  return [
    {
      level: 'warn',
      title: `${counted(debt, 'applied file')} not archived`,
      advice:
        'Their rows are in the table; only the move is due. A run retries it and says what is in the way:',
      keys: [],
      command: `tidemark start ${dataset.name} --wait`,
    },
  ];
}

/** A file is archived while the next one loads: just after a load some debt is the normal course. */
function isUnderWay(importedAt: Date | undefined, now: number): boolean {
  return importedAt !== undefined && now - importedAt.getTime() < 2 * 60_000;
}

function truncation({ dataset, ledger }: DatasetView): readonly Concern[] {
  if (ledger.value?.status?.truncated !== true) return [];
  const at = ledger.value.deeds.filter(({ truncated }) => truncated).map(({ key }) => nameOf(key));
  return [
    {
      level: 'warn',
      title: 'the export was cut short',
      advice:
        'The exporter stopped early and said so; rows are missing until it exports them again. All such files:',
      keys: at.slice(0, MAX_SHOWN),
      command: `tidemark files ${dataset.name} --truncated`,
    },
  ];
}

function rebuilding({ dataset, ledger }: DatasetView): readonly Concern[] {
  if (ledger.value?.status?.rebuild !== 'compared') return [];
  return [
    {
      level: 'warn',
      title: 'a rebuild waits for an answer',
      advice: 'It has found what differs, and changes nothing until somebody says so:',
      keys: [],
      command: `tidemark rebuild ${dataset.name} --reason '…'`,
    },
  ];
}

/** A word for a shell. */
function quoted(word: string): string {
  return /^[\w.:/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
