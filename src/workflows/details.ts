import type { LoadFileResult } from '../activities/interface.ts';
import type { ListingSummary } from '../domain/listing.ts';

/** One file of a run, for the table in the UI. */
export interface FileLine {
  readonly key: string;
  readonly result: LoadFileResult;
}

/** What was done, as Markdown for the workflow's current details in the Temporal UI. */
export function detailsTable(lines: readonly FileLine[], seen: ListingSummary): string {
  const counts = [
    `${seen.pending.total} pending`,
    ...(seen.failed.total > 0 ? [`${seen.failed.total} failed`] : []),
    ...(seen.late.total > 0 ? [`${seen.late.total} late`] : []),
    ...(seen.changed.total > 0 ? [`${seen.changed.total} changed`] : []),
    ...(seen.future.total > 0 ? [`${seen.future.total} future`] : []),
    ...(seen.covered > 0 ? [`${seen.covered} covered`] : []),
    ...(seen.ignored > 0 ? [`${seen.ignored} ignored`] : []),
  ].join(', ');
  const head = `**Listing:** ${counts}`;
  if (lines.length === 0) return head;
  const table = [
    '| file | outcome | read | inserted | updated | unchanged | dropped | rejected | seconds |',
    '|---|---|--:|--:|--:|--:|--:|--:|--:|',
    ...lines.map(tableRow),
  ];
  return `${head}\n\n${table.join('\n')}`;
}

function tableRow({ key, result }: FileLine): string {
  const cells =
    result.outcome === 'applied'
      ? [
          result.exportType,
          result.counts.read,
          result.counts.inserted,
          result.counts.updated,
          result.counts.unchanged,
          result.counts.alarm + result.counts.sentinel,
          result.counts.rejected,
          result.seconds.toFixed(2),
        ]
      : [result.outcome, '', '', '', '', '', '', ''];
  // The name is that of a change file: digits, hyphens and a T; nothing in it is Markdown.
  return `| ${[key.slice(key.lastIndexOf('/') + 1), ...cells].join(' | ')} |`;
}
