/** What a worker shows and tells of itself: metrics, health, alerts. */

import type { Logger } from '@temporalio/common';
import { Counter } from 'prom-client';
import type { Observer } from '../activities/observer.ts';
import type { Config } from '../config.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { ALERT_LIMITS } from '../domain/alerts.ts';
import { createPool, POOL_LIMITS, type Pool } from '../postgres/pool.ts';
import { readWatch } from '../postgres/watch.ts';
import { countUndelivered } from '../postgres/webhook.ts';
import { startAlerting } from './alerting.ts';
import { DELIVERIES } from './deliver.ts';
import { healthz, readyz, type Health } from './health.ts';
import { listen, type HttpEndpoint } from './http.ts';
import { createMetrics, type Metrics } from './scrape.ts';

/** A look at the state, and one for alerts or health. */
const CONNECTIONS = 2;
/** Within a scrape's time. */
const LIMITS = { ...POOL_LIMITS, connectMs: 2_000, queryMs: 4_000 };

/** What is monitored. */
export interface MonitoringInput {
  readonly config: Config;
  readonly datasets: readonly Dataset[];
  readonly health: Omit<Health, 'postgres'>;
  readonly temporalPort: number | undefined;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** What runs beside the worker. */
export interface Monitoring {
  readonly observer?: Observer;
  readonly onBytes?: Metrics['onBytes'];
  /** Ends the looking and the sending; metrics and health go on. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Starts what the configuration asks for; fails where the port is not to be had. */
export async function startMonitoring(input: MonitoringInput): Promise<Monitoring> {
  const { config, datasets, log } = input;
  const { httpPort: port, httpHost: host, webhook, silentAfter } = config;
  if (port === undefined && webhook === undefined)
    return { drain: () => Promise.resolve(), close: () => Promise.resolve() };
  const pool = createPool(config.postgres, CONNECTIONS, LIMITS);
  const metrics = port === undefined ? undefined : metricsOf(input, pool);
  let endpoint: HttpEndpoint | undefined;
  if (port !== undefined && metrics) {
    const health = { ...input.health, postgres: () => pool.query('select 1') };
    endpoint = await listen(
      { port, host },
      { '/metrics': metrics.scrape, '/healthz': healthz, '/readyz': readyz(health) },
    );
    log.info('serving /metrics, /healthz and /readyz', { port: endpoint.port });
  }
  const drain = webhook
    ? alertingOf({ webhook, silentAfter, pool, datasets, log, metrics })
    : () => Promise.resolve();
  return {
    ...metrics,
    drain,
    close: async () => {
      await drain();
      await endpoint?.close();
      await pool.end();
    },
  };
}

function metricsOf({ datasets, temporalPort, config }: MonitoringInput, pool: Pool): Metrics {
  const names = datasets.map(({ name }) => name);
  return createMetrics({
    datasets,
    temporalPort,
    state: async () => ({
      watches: await readWatch(pool, names),
      undelivered: config.webhook ? await countUndelivered(pool) : 0,
    }),
  });
}

function alertingOf(input: {
  readonly webhook: NonNullable<Config['webhook']>;
  readonly silentAfter: number;
  readonly pool: Pool;
  readonly datasets: readonly Dataset[];
  readonly log: MonitoringInput['log'];
  readonly metrics: Metrics | undefined;
}): () => Promise<void> {
  const { webhook, silentAfter, pool, datasets, log, metrics } = input;
  const deliveries = new Counter({
    name: 'tidemark_webhook_attempts_total',
    help: 'Messages to the webhook by what an attempt came to.',
    labelNames: ['outcome'] as const,
    registers: metrics ? [metrics.registry] : [],
  });
  // From 0 on: Prometheus takes no increase from a series that begins with 1.
  for (const outcome of DELIVERIES) deliveries.inc({ outcome }, 0);
  const limits = { ...ALERT_LIMITS, silentAfter };
  return startAlerting({ pool, datasets, limits, webhook, log, deliveries });
}
