/** What this process did since its start: counters, by dataset and outcome. */

import { Counter, Histogram, type Registry } from 'prom-client';
import type { Observer } from '../activities/observer.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { NO_ROWS } from '../domain/counts.ts';
import { FAILURE_KINDS } from '../domain/failures.ts';

/** From a small delta to a baseline of millions of rows, seconds. */
const LOAD_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];

/** A run may be started with any name: one label is enough for all that are none of ours. */
const UNKNOWN = 'unknown';

type Result = Parameters<Observer['loaded']>[0]['result'];
type Outcome =
  Extract<Result, { readonly outcome: 'applied' }>['exportType'] | Exclude<Result['outcome'], 'applied'>;
type Activity = Parameters<Observer['failed']>[0]['activity'];

const OUTCOMES: Record<Outcome, 0> = { baseline: 0, delta: 0, late: 0, reload: 0, already: 0, replaced: 0 };
const ACTIVITIES: Record<Activity, 0> = { listFiles: 0, loadFile: 0, loadSmallFiles: 0, moveFiles: 0 };

/** The counters, and who feeds them. */
export interface DeedMetrics {
  readonly observer: Observer;
  readonly onBytes: (key: string, bytes: number) => void;
}

/** Registers the counters. */
export function createDeedMetrics(registry: Registry, datasets: readonly Dataset[]): DeedMetrics {
  const all = counters(registry);
  const { files, rows, seconds, bytes, moved, failures } = all;
  const known = new Set(datasets.map(({ name }) => name));
  const named = (dataset: string): string => (known.has(dataset) ? dataset : UNKNOWN);
  const rowCount = (dataset: string, outcome: string, count: number): void =>
    rows.inc({ dataset, outcome }, count);
  for (const { name } of datasets) beginAtZero(all, name);
  return {
    observer: {
      loaded: ({ dataset: name, result }) => {
        const dataset = named(name);
        if (result.outcome !== 'applied') {
          files.inc({ dataset, outcome: result.outcome });
          return;
        }
        files.inc({ dataset, outcome: result.exportType });
        seconds.observe({ dataset }, result.seconds);
        for (const [outcome, count] of Object.entries(result.counts)) rowCount(dataset, outcome, count);
      },
      moved: ({ dataset: name, files: asked, result }) => {
        const dataset = named(name);
        moved.inc({ dataset, outcome: 'moved' }, result.moved);
        moved.inc(
          { dataset, outcome: 'not moved' },
          asked.length - result.moved - (result.later?.length ?? 0),
        );
      },
      failed: ({ dataset: name, activity, kind, rejected }) => {
        const dataset = named(name);
        failures.inc({ dataset, activity, kind });
        if (rejected > 0) rowCount(dataset, 'refused', rejected);
      },
    },
    onBytes: (key, count) => {
      const dataset = datasets.find(({ changesPrefix }) => key.startsWith(changesPrefix));
      bytes.inc({ dataset: dataset?.name ?? UNKNOWN }, count);
    },
  };
}

/** Prometheus takes no increase from a series that begins with 1: the first failure would be none. */
function beginAtZero(
  { files, rows, seconds, bytes, moved, failures }: ReturnType<typeof counters>,
  dataset: string,
): void {
  for (const outcome of Object.keys(OUTCOMES)) files.inc({ dataset, outcome }, 0);
  for (const outcome of [...Object.keys(NO_ROWS), 'refused']) rows.inc({ dataset, outcome }, 0);
  for (const outcome of ['moved', 'not moved']) moved.inc({ dataset, outcome }, 0);
  seconds.zero({ dataset });
  bytes.inc({ dataset }, 0);
  for (const activity of Object.keys(ACTIVITIES))
    for (const kind of FAILURE_KINDS) failures.inc({ dataset, activity, kind }, 0);
}

function counters(registry: Registry) {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers });
  return {
    files: counter('tidemark_loads_total', 'Change files by what their load came to.', 'dataset', 'outcome'),
    rows: counter(
      'tidemark_rows_total',
      'Rows of applied files by outcome; read is all of them, refused are rejects of files that were not applied.',
      'dataset',
      'outcome',
    ),
    seconds: new Histogram({
      name: 'tidemark_load_seconds',
      help: 'Seconds from the opening of a file to its commit.',
      labelNames: ['dataset'] as const,
      buckets: LOAD_BUCKETS,
      registers,
    }),
    bytes: counter('tidemark_read_bytes_total', 'Bytes of change files read from S3.', 'dataset'),
    moved: counter('tidemark_moves_total', 'Files on their way to the archive.', 'dataset', 'outcome'),
    failures: counter(
      'tidemark_failures_total',
      'Attempts of activities that failed, by kind.',
      'dataset',
      'activity',
      'kind',
    ),
  };
}
