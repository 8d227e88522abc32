/** The datasets' state as PostgreSQL tells it at this scrape: the same on every worker. */

import { Gauge, type Registry } from 'prom-client';
import type { Dataset } from '../datasets/dataset.ts';
import type { DatasetWatch } from '../domain/alerts.ts';
import { missedChecks } from './missedChecks.ts';

/** Sets the gauges; without a state all but `tidemark_postgres_up` are absent. */
export type SetState = (state: readonly DatasetWatch[] | undefined, undelivered: number | undefined) => void;

/** Registers the gauges. */
export function createStateMetrics(registry: Registry, datasets: readonly Dataset[]): SetState {
  const gauges = stateGauges(registry);
  const { up, undelivered, ofDatasets } = gauges;
  return (state, messages) => {
    for (const gauge of Object.values(ofDatasets)) gauge.reset();
    undelivered.remove();
    up.set(state ? 1 : 0);
    if (messages !== undefined) undelivered.set(messages);
    for (const watch of state ?? []) {
      const dataset = datasets.find(({ name }) => name === watch.dataset);
      if (dataset) setDataset(ofDatasets, dataset, watch);
    }
  };
}

type DatasetGauges = ReturnType<typeof stateGauges>['ofDatasets'];

function setDataset(gauges: DatasetGauges, dataset: Dataset, watch: DatasetWatch): void {
  const name = { dataset: dataset.name };
  const { checkAge, checkedAt, freshness } = watch;
  gauges.enabled.set(name, watch.enabled ? 1 : 0);
  gauges.rows.set(name, watch.rows);
  if (freshness !== null) gauges.freshness.set(name, freshness);
  if (checkAge !== null) gauges.checkAge.set(name, checkAge);
  // By PostgreSQL's clock, as the time of the check is.
  const now = new Date((checkedAt?.getTime() ?? 0) + (checkAge ?? 0) * 1000);
  gauges.missedChecks.set(name, missedChecks(dataset, checkedAt, now));
  const { pending, failed, vanished, late, changed, future } = watch;
  const files = {
    pending,
    failed,
    vanished,
    late: late.total,
    changed: changed.total,
    future: future.total,
  };
  for (const [state, count] of Object.entries(files)) gauges.files.set({ ...name, state }, count);
  gauges.rejected.set(name, watch.rejected);
  for (const exportType of ['baseline', 'delta'] as const) {
    const cut = watch.truncated.filter((file) => file.exportType === exportType);
    gauges.truncated.set({ ...name, export_type: exportType }, cut.length);
  }
  gauges.archiveDebt.set(name, watch.archiveDebt);
  gauges.archiveDebtAge.set(name, watch.archiveDebtAge);
}

function stateGauges(registry: Registry) {
  const gauge = (name: string, help: string, ...labels: string[]) =>
    new Gauge({ name: `tidemark_${name}`, help, labelNames: labels, registers: [registry] });
  const of = (name: string, help: string, ...labels: string[]) => gauge(name, help, 'dataset', ...labels);
  return {
    up: gauge(
      'postgres_up',
      'Whether PostgreSQL told the state at this scrape; 0: the gauges of datasets are absent.',
    ),
    undelivered: gauge('webhook_undelivered', 'Messages to the webhook that are neither taken nor given up.'),
    ofDatasets: {
      enabled: of('dataset_enabled', 'Whether the dataset is switched on in its file.'),
      rows: of('dataset_rows', 'Rows of the table by the ledger.'),
      freshness: of('freshness_seconds', 'Since the export of the newest applied file started.'),
      checkAge: of(
        'last_check_age_seconds',
        'Since the last listing of the bucket, or the last file that was applied.',
      ),
      missedChecks: of(
        'missed_checks',
        'Times of the schedule since the last listing or applied file, up to 100; 100: none yet.',
      ),
      files: of(
        'files',
        'Files by state; pending, late, changed and future as of the last listing.',
        'state',
      ),
      rejected: of('rejected_rows', 'Rejected rows of refused files that nobody has dealt with.'),
      truncated: of(
        'truncated_files',
        'Exports that were cut short, and nothing has made up for: the baseline, deltas of the last day.',
        'export_type',
      ),
      archiveDebt: of('archive_debt_files', 'Applied files that are not archived.'),
      archiveDebtAge: of('archive_debt_age_seconds', 'Since the oldest of them was applied.'),
    },
  };
}
