/** A real Prometheus that scrapes a port with the alert rules of `monitoring/`; and `promtool`. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, promisify } from 'node:util';

export const MONITORING = fileURLToPath(new URL('../../monitoring/', import.meta.url));

/** Runs promtool; what it finds wrong fails. */
export async function promtool(...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)('promtool', args, { cwd: join(MONITORING, 'prometheus') })).stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (code === 'ENOENT')
      throw new Error('prometheus is not installed: apt-get install prometheus', { cause: error });
    throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`, { cause: error });
  }
}

/** A series of an answer. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Prometheus {
  /** An instant query; fails with what Prometheus says. */
  query(expr: string): Promise<readonly Sample[]>;
  /** Asks again until the answer is as wished. */
  until(expr: string, holds: (samples: readonly Sample[]) => boolean): Promise<readonly Sample[]>;
  /** The values of a metric's label, as Grafana asks for those of a variable. */
  labelValues(metric: string, label: string): Promise<readonly string[]>;
  /** Waits until alerts of these names fire, and no others. */
  fire(...names: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

const WAIT_MS = 60_000;

/** Starts it with configuration and rules of `monitoring/prometheus`, its target and their pace changed. */
export async function startPrometheus(targetPort: number): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-prometheus-'));
  await cp(join(MONITORING, 'prometheus'), folder, { recursive: true });
  const file = join(folder, 'prometheus.yml');
  const config = await readFile(file, 'utf8');
  await writeFile(file, config.replaceAll('15s', '1s').replace('localhost:9464', `127.0.0.1:${targetPort}`));
  const rules = join(folder, 'tidemark.rules.yml');
  await writeFile(rules, (await readFile(rules, 'utf8')).replaceAll(/for: \d+m/g, 'for: 1s'));
  const port = await freePort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const gone = once(child, 'exit');
  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  const query = async (expr: string): Promise<readonly Sample[]> =>
    (await ask<{ result: readonly Sample[] }>(`query?query=${encodeURIComponent(expr)}`)).result;
  const until: Prometheus['until'] = async (expr, holds) => {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const samples = await query(expr).catch(() => []);
      if (holds(samples)) return samples;
      if (Date.now() > deadline) throw new Error(`${expr}: ${JSON.stringify(samples)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const firing = async (): Promise<readonly string[]> => {
    const { alerts } = await ask<{ alerts: { state: string; labels: { alertname: string } }[] }>('alerts');
    const names = alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname);
    return [...new Set(names)].sort();
  };
  return {
    query,
    until,
    labelValues: (metric, label) => ask(`label/${label}/values?match[]=${metric}`),
    fire: async (...names) => {
      const wanted = names.toSorted();
      const deadline = Date.now() + WAIT_MS;
      for (;;) {
        const found = await firing().catch(() => []);
        if (isDeepStrictEqual(found, wanted)) return;
        if (Date.now() > deadline) assert.deepEqual(found, wanted);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
      await rm(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
