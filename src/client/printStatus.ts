import type { Dataset } from '../datasets/dataset.ts';
import type { StatusReport } from './status.ts';
import { ago, count, localTime, print, printable, styled } from './terminal.ts';

/** Keys shown of each list; `--json` has more. */
const MAX_SHOWN = 5;

/** Prints the glance: a few aligned lines a dataset, and one that names those that are switched off. */
export function printStatus(
  datasets: readonly Dataset[],
  reports: readonly StatusReport[],
  off: readonly string[],
): void {
  reports.forEach((report, i) => {
    if (i > 0) print();
    const zone = datasets[i]?.timeZone ?? 'UTC';
    print(styled('bold', report.dataset) + (report.enabled ? '' : '  (not enabled: no Schedule)'));
    line('watermark', report.watermark === null ? 'none: nothing is applied' : printable(report.watermark));
    line('fresh', freshness(report));
    line('rows', count(report.rows));
    line('last applied', localTime(report.lastAppliedAt, zone));
    line('last checked', localTime(report.lastCheckedAt, zone));
    keys('pending', report.pendingTotal, report.pending);
    failures(report, zone);
    if (report.forgotten !== null) {
      line('LedgerBehind', styled('red', printable(report.forgotten)));
      line('', `is archived, and the ledger does not know it  (tidemark plan ${report.dataset})`);
    }
    keys('late', report.lateTotal, report.late, 'tidemark apply-late, or skip');
    keys('changed', report.changedTotal, report.changed, 'tidemark reload, or skip');
    keys('future', report.futureTotal, report.future);
    if (report.coveredTotal > 0) line('covered', count(report.coveredTotal));
    if (report.ignoredTotal > 0) line('ignored', count(report.ignoredTotal));
    if (report.archiveDebt > 0) line('to archive', count(report.archiveDebt));
    if (report.looksLikeBaseline !== null) {
      line(
        'seeded again?',
        `${printable(report.looksLikeBaseline)}  (as large as the table: tidemark rebuild)`,
      );
    }
    if (report.rebuild !== null) line('rebuild', rebuilding(report));
    if (report.truncated)
      line(
        'truncated',
        styled('yellow', `the exporter cut a file short: tidemark files ${report.dataset} --truncated`),
      );
  });
  if (off.length === 0) return;
  if (reports.length > 0) print();
  print(`switched off: ${off.join(', ')}  (tidemark status <dataset>)`);
}

function rebuilding({ dataset, rebuild }: StatusReport): string {
  return rebuild === 'compared'
    ? styled('yellow', `waits for an answer  (tidemark rebuild ${dataset} --reason TEXT)`)
    : 'under way';
}

function freshness({ freshnessSeconds }: StatusReport): string {
  return freshnessSeconds === null
    ? '-'
    : `${ago(freshnessSeconds)} since the export of the watermark started`;
}

function line(title: string, text: string): void {
  print(`  ${title.padEnd(13)} ${text}`);
}

function keys(title: string, total: number, list: readonly string[], next?: string): void {
  if (total === 0 && title !== 'pending') return;
  line(title, count(total) + (next === undefined ? '' : `  (${next})`));
  more(list.slice(0, MAX_SHOWN).map(printable), total);
}

function failures({ failed, failedTotal }: StatusReport, zone: string): void {
  if (failedTotal === 0) return;
  line(
    'failed',
    styled('red', count(failedTotal)) + '  (the dataset stops there: mend the object, or tidemark skip)',
  );
  const shown = failed.slice(0, MAX_SHOWN).map((file) => {
    const place = [
      file.line === null ? [] : [`line ${file.line}`],
      file.column === null ? [] : [`column ${printable(file.column)}`],
    ].flat();
    return `${printable(file.key)}  ${[file.kind, ...place].join(', ')}, since ${localTime(file.since, zone)}`;
  });
  more(shown, failedTotal);
}

function more(shown: readonly string[], total: number): void {
  for (const text of shown) line('', text);
  if (total > shown.length && shown.length > 0)
    line('', `… and ${count(total - shown.length)} more (--json)`);
}
