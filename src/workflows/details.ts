import type { LoadFileResult } from '../activities/interface.ts';
import { nameOf } from '../domain/changeFile.ts';
import type { KeyList, ListingSummary } from '../domain/listing.ts';

/** One file of a run, for the table in the UI. */
export interface FileLine {
  readonly key: string;
  readonly result: LoadFileResult;
}

/** What the table is made from. */
export interface DetailsInput {
  /** Files that a load came back for, oldest first. */
  readonly done: readonly FileLine[];
  readonly loading: readonly { readonly key: string; readonly size: number }[];
  /** The file at which the dataset stops. */
  readonly stop: { readonly key: string; readonly kind: string } | undefined;
  readonly seen: ListingSummary;
  readonly applied: number;
  readonly archived: number;
  readonly watermark: string | undefined;
}

/** Files of one state in the table, where nothing is done with them; the count above it has them all. */
const MAX_LEFT = 10;

/** Short, so that the UI's panel, half a window wide, has room for a file's name in one line. */
const HEAD = [
  '| file | outcome | read | ins. | upd. | same | drop. | rej. | s |',
  '|---|---|--:|--:|--:|--:|--:|--:|--:|',
];

/** At the end, and an empty paragraph behind it: the UI cuts off some pixels of what it shows in a frame. */
const LEGEND = 'Rows read, inserted, updated, unchanged, dropped by rule, rejected; seconds.';

/** What a run does and did, as Markdown for the workflow's current details in the Temporal UI. */
export function detailsTable(input: DetailsInput): string {
  const rows = tableRows(input);
  const text = `${doneLine(input)}\n\n${listingLine(input.seen)}`;
  return rows.length === 0 ? text : `${text}\n\n${[...HEAD, ...rows].join('\n')}\n\n${LEGEND}\n\n\u00a0`;
}

function doneLine({ applied, archived, watermark }: DetailsInput): string {
  const counts = `**${applied} file${applied === 1 ? '' : 's'} applied**, ${archived} archived`;
  return `${counts} · watermark ${watermark === undefined ? 'none' : nameOf(watermark)}`;
}

function listingLine(seen: ListingSummary): string {
  const counts = [
    ['pending', seen.pending.total],
    ['failed', seen.failed.total],
    ['late', seen.late.total],
    ['changed', seen.changed.total],
    ['future', seen.future.total],
    ['covered', seen.covered],
    ['ignored', seen.ignored],
  ] as const;
  const said = counts
    .filter(([state, n]) => n > 0 || state === 'pending')
    .map(([state, n]) => `${n} ${state}`);
  return `Listed: ${said.join(', ')}`;
}

/** What asks for a look first, then what goes on, then what is done, the newest first. */
function tableRows({ stop, seen, loading, done }: DetailsInput): string[] {
  return [
    ...(stop ? [tableRow(stop.key, [`**stopped: ${stop.kind}**`])] : []),
    ...leftRows('late', seen.late),
    ...leftRows('changed', seen.changed),
    ...leftRows('future', seen.future),
    ...loadingRows(loading),
    ...[...done].reverse().map(({ key, result }) => tableRow(key, outcomeCells(result))),
  ];
}

function leftRows(state: string, { total, keys }: KeyList): string[] {
  const rows = keys.slice(0, MAX_LEFT).map((key) => tableRow(key, [`**${state}**`]));
  return total > rows.length ? [...rows, tableRow(`… ${total - rows.length} more`, [state])] : rows;
}

/** The first that is loading; the others of its batch follow it. */
function loadingRows(loading: DetailsInput['loading']): string[] {
  const [first, ...others] = loading;
  if (!first) return [];
  const row = tableRow(first.key, [`loading, ${sizeOf(first.size)}`]);
  return others.length === 0 ? [row] : [row, tableRow(`… ${others.length} more`, ['loading'])];
}

function outcomeCells(result: LoadFileResult): readonly string[] {
  if (result.outcome !== 'applied') return [result.outcome];
  const { read, inserted, updated, unchanged, alarm, sentinel, rejected } = result.counts;
  const counts = [read, inserted, updated, unchanged, alarm + sentinel, rejected];
  return [result.exportType, ...counts.map(String), result.seconds.toFixed(2)];
}

/** The name is that of a change file, digits, hyphens and a T: nothing in it is Markdown. */
function tableRow(key: string, cells: readonly string[]): string {
  const columns = 9;
  const all = [nameOf(key), ...cells];
  return `| ${[...all, ...Array.from({ length: columns - all.length }, () => '')].join(' | ')} |`;
}

/** Whether a key has a change file's name, in which nothing is Markdown; an object may have any. */
export function isPlain(key: string): boolean {
  return /^[\dT-]{19}\.csv(?:\.gz|\.zst)?$/.test(nameOf(key));
}

/** A size for people. @param bytes in whole bytes */
export function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
