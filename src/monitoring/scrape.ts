/** `/metrics`: this process, what it did, the datasets' state, and Temporal's SDK, in one text. */

import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Dataset } from '../datasets/dataset.ts';
import type { DatasetWatch } from '../domain/alerts.ts';
import { bounded, sharedWork } from './bounded.ts';
import { createDeedMetrics, type DeedMetrics } from './deedMetrics.ts';
import type { Answer } from './http.ts';
import { httpCall } from './httpCall.ts';
import { createStateMetrics } from './stateMetrics.ts';

/** PostgreSQL's time at a scrape, milliseconds: half of Prometheus' default for all of it. */
const STATE_MS = 5_000;
/** The SDK's own metrics come over loopback. */
const TEMPORAL_MS = 2_000;
const TEMPORAL_MAX_BYTES = 4 * 1024 * 1024;

/** Where a scrape gets its numbers. */
export interface ScrapeInput {
  readonly datasets: readonly Dataset[];
  readonly state: () => Promise<{
    readonly watches: readonly DatasetWatch[];
    readonly undelivered: number;
  }>;
  /** The loopback port of the SDK's core. */
  readonly temporalPort: number | undefined;
}

/** The registry of a process. */
export interface Metrics extends DeedMetrics {
  readonly registry: Registry;
  readonly scrape: () => Promise<Answer>;
}

/** Makes the metrics of this process. */
export function createMetrics({ datasets, state, temporalPort }: ScrapeInput): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const deeds = createDeedMetrics(registry, datasets);
  const setState = createStateMetrics(registry, datasets);
  const scrape = sharedWork(async () => {
    const [known, temporal] = await Promise.all([
      bounded(STATE_MS, state).catch(() => undefined),
      temporalPort === undefined ? '' : temporalMetrics(temporalPort),
    ]);
    setState(known?.watches, known?.undelivered);
    const body = `${await registry.metrics()}\n${temporal}`;
    return { status: 200, type: registry.contentType, body };
  });
  return { ...deeds, registry, scrape };
}

/** Nothing where the core does not answer: the other metrics are worth having without it. */
async function temporalMetrics(port: number): Promise<string> {
  try {
    const { status, body } = await httpCall({
      url: new URL(`http://127.0.0.1:${port}/metrics`),
      method: 'GET',
      timeoutMs: TEMPORAL_MS,
      maxBytes: TEMPORAL_MAX_BYTES,
    });
    return status === 200 ? body : '';
  } catch {
    return '';
  }
}
