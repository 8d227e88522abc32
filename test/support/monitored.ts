/** A worker with metrics in a process of its own, behind a proxy before PostgreSQL, and a Prometheus that scrapes it. */

import { until } from './faults/bounds.ts';
import { startPostgresProxy, type PostgresProxy } from './faults/postgresProxy.ts';
import { WorkerProcess } from './faults/processes.ts';
import { startPrometheus, type Prometheus } from './prometheus.ts';
import type { World } from './world.ts';

export interface Monitored {
  readonly worker: WorkerProcess;
  readonly postgres: PostgresProxy;
  readonly prometheus: Prometheus;
  /** Of the worker's endpoint, without a slash at the end. */
  readonly base: string;
  /** Lines of its log with this message. */
  logged(message: string): Record<string, unknown>[];
  stop(): Promise<void>;
}

/** Starts them. @param env what the worker has besides the world's own */
export async function startMonitored(
  world: World,
  env: Readonly<Record<string, string>>,
): Promise<Monitored> {
  const url = new URL(world.env['DATABASE_URL'] ?? '');
  const postgres = await startPostgresProxy(Number(url.port));
  url.port = String(postgres.port);
  const worker = await WorkerProcess.start({
    ...world.env,
    DATABASE_URL: url.href,
    TIDEMARK_HTTP_PORT: '0',
    ...env,
  });
  const logged = (message: string): Record<string, unknown>[] =>
    worker.said
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['message'] === message);
  await worker.works();
  const serving = 'serving /metrics, /healthz and /readyz';
  await until(10_000, 'it says its port', () => logged(serving).length > 0);
  const port = Number(logged(serving)[0]?.['port']);
  const prometheus = await startPrometheus(port);
  return {
    worker,
    postgres,
    prometheus,
    base: `http://127.0.0.1:${port}`,
    logged,
    stop: async () => {
      await prometheus.stop();
      await worker.end();
      await postgres.stop();
    },
  };
}
