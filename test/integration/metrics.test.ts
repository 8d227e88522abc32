import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { WorkerProcess } from '../support/faults/processes.ts';
import { until } from '../support/faults/bounds.ts';
import { startPostgresProxy, type PostgresProxy } from '../support/faults/postgresProxy.ts';
import { startFake, type HttpFake } from '../support/httpFake.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { MONITORING, promtool, startPrometheus, type Prometheus } from '../support/prometheus.ts';
import { openWorld, type World } from '../support/world.ts';

const SECRET = 'a secret of the receiver';

/** The rows of the tables of docs/monitoring.md. */
async function documentedMetrics(): Promise<string[]> {
  const docs = await readFile(join(MONITORING, '../docs/monitoring.md'), 'utf8');
  return [...docs.matchAll(/^\| `(tidemark_\w+)/gm)].map(([, name]) => name ?? '').sort();
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { expr: string }[] }[];
}

/** The expressions of the dashboard, their variables filled in as Grafana does. */
async function dashboardQueries(): Promise<{ title: string; expr: string }[]> {
  const text = await readFile(join(MONITORING, 'grafana/dashboards/tidemark.json'), 'utf8');
  const { panels } = JSON.parse(text) as Dashboard;
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$dataset', '.*'),
    })),
  );
}

describe('alert rules', () => {
  it('are rules to promtool, and each fires where it should and nowhere else', async () => {
    assert.match(await promtool('check', 'rules', 'tidemark.rules.yml'), /SUCCESS: 14 rules found/);
    await promtool('check', 'config', 'prometheus.yml');
    await promtool('test', 'rules', 'tidemark.rules.test.yml');
  });

  it('each has an entry in docs/monitoring.md', async () => {
    const rules = await readFile(join(MONITORING, 'prometheus/tidemark.rules.yml'), 'utf8');
    const docs = await readFile(join(MONITORING, '../docs/monitoring.md'), 'utf8');
    const anchors = [...rules.matchAll(/runbook: docs\/monitoring\.md#([a-z-]+)/g)].map((match) => match[1]);
    const heads = [...docs.matchAll(/^### (.+)$/gm)].map((match) =>
      match[1]?.toLowerCase().replaceAll(' ', '-'),
    );
    assert.equal(anchors.length, 14);
    assert.deepEqual(
      anchors.filter((anchor) => !heads.includes(anchor)),
      [],
    );
  });
});

describe('a worker with TIDEMARK_HTTP_PORT and TIDEMARK_WEBHOOK_URL', function () {
  this.timeout(180_000);
  let world: World;
  let postgres: PostgresProxy;
  let worker: WorkerProcess;
  let prometheus: Prometheus;
  let base: string;
  let receiver: HttpFake;
  const messages: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  before(async () => {
    world = await openWorld();
    receiver = await startFake((request, response) => {
      void text(request).then((body) => {
        messages.push({ headers: request.headers, body });
        response.writeHead(204).end();
      });
    });
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    postgres = await startPostgresProxy(Number(url.port));
    url.port = String(postgres.port);
    worker = await WorkerProcess.start({
      ...world.env,
      DATABASE_URL: url.href,
      TIDEMARK_HTTP_PORT: '0',
      TIDEMARK_WEBHOOK_URL: `${receiver.endpoint}/hook`,
      TIDEMARK_WEBHOOK_SECRET: SECRET,
    });
    await worker.works();
    await until(
      10_000,
      'it says its port',
      () => logged('serving /metrics, /healthz and /readyz').length > 0,
    );
    const port = Number(logged('serving /metrics, /healthz and /readyz')[0]?.['port']);
    base = `http://127.0.0.1:${port}`;
    prometheus = await startPrometheus(port);
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'A', title: 'again' }]));
    await (await world.start()).result();
  });
  after(async () => {
    await prometheus.stop();
    await worker.end();
    await receiver.stop();
    await postgres.stop();
    await world.close();
  });

  function logged(message: string): Record<string, unknown>[] {
    return worker.said
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['message'] === message);
  }

  async function get(path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(base + path);
    return { status: response.status, body: await response.text() };
  }

  it('logs JSON lines with dataset, key, workflow and run id', async () => {
    await until(5_000, 'both loads are logged', () => logged('applied').length === 2);
    const run = await world.shared.temporal.workflow.getHandle(`${world.name}-run`).describe();
    assert.deepEqual(
      logged('applied').map(({ dataset, key, workflowId, runId }) => ({ dataset, key, workflowId, runId })),
      [1, 2].map((n) => ({
        dataset: 'inc',
        key: `automations/inc/changes/${fileName(n)}`,
        workflowId: `${world.name}-run`,
        runId: run.runId,
      })),
    );
  });

  it('answers /healthz and /readyz, and nothing else', async () => {
    assert.deepEqual(await get('/healthz'), { status: 200, body: '{"alive":true}\n' });
    assert.deepEqual(await get('/readyz?x'), {
      status: 200,
      body: '{"ready":true,"worker":"RUNNING","temporal":true,"postgres":true}\n',
    });
    assert.equal((await get('/__proto__')).status, 404);
    assert.equal((await fetch(`${base}/metrics`, { method: 'POST', body: 'x' })).status, 405);
  });

  it('is scraped by a real Prometheus: what was done, the state, the SDK', async () => {
    const number = async (expr: string): Promise<number> =>
      Number((await prometheus.query(expr))[0]?.value[1]);
    await prometheus.until('sum(tidemark_loads_total)', ([sample]) => sample?.value[1] === '2');
    assert.deepEqual(
      (await prometheus.query('tidemark_loads_total > 0')).map(({ metric, value }) => [
        metric['dataset'],
        metric['outcome'],
        value[1],
      ]),
      [
        ['inc', 'baseline', '1'],
        ['inc', 'delta', '1'],
      ],
    );
    assert.equal(await number('tidemark_rows_total{dataset="inc", outcome="read"}'), 3);
    assert.equal(await number('tidemark_rows_total{dataset="inc", outcome="updated"}'), 1);
    assert.equal(await number('tidemark_load_seconds_count'), 2);
    assert.ok((await number('sum(tidemark_read_bytes_total)')) > 100);
    await prometheus.until(
      'sum(tidemark_moves_total{outcome="moved"})',
      ([sample]) => sample?.value[1] === '2',
    );
    await prometheus.until(
      'tidemark_archive_debt_files{dataset="inc"}',
      ([sample]) => sample?.value[1] === '0',
    );
    assert.equal(await number('tidemark_dataset_rows{dataset="inc"}'), 2);
    assert.equal(await number('tidemark_files{dataset="inc", state="pending"}'), 0);
    assert.ok((await number('tidemark_freshness_seconds')) > 0);
    assert.ok((await number('tidemark_last_check_age_seconds')) < 60);
    assert.ok((await number('temporal_request_total{operation="RespondWorkflowTaskCompleted"}')) > 0);
  });

  it('shows each metric of docs/monitoring.md, no other, and not too many series', async () => {
    const lines = (await get('/metrics')).body.split('\n');
    const series = lines.filter((line) => line !== '' && !line.startsWith('#'));
    assert.ok(series.length < 1_500, `${series.length} series`);
    const ours = series.filter((line) => line.startsWith('tidemark_'));
    const names = ours.map((line) => line.replace(/[{ ].*$/, '').replace(/_(?:bucket|sum|count)$/, ''));
    assert.deepEqual([...new Set(names)].sort(), await documentedMetrics());
  });

  it('sends what it finds to the webhook, signed', async () => {
    // Nobody had listed when it started; then somebody had.
    for (const status of ['firing', 'resolved'])
      await until(40_000, `no_check is ${status}`, () =>
        messages.some(({ body }) => body.includes('"no_check"') && body.includes(`"${status}"`)),
      );
    for (const { headers, body } of messages) {
      const stamped = `${String(headers['x-tidemark-timestamp'])}.${body}`;
      const signed = createHmac('sha256', SECRET).update(stamped).digest('hex');
      assert.equal(headers['x-tidemark-signature'], `sha256=${signed}`);
    }
    await prometheus.until(
      'tidemark_webhook_attempts_total{outcome="delivered"}',
      ([sample]) => Number(sample?.value[1]) >= 2,
    );
  });

  it('answers each query of the dashboard', async () => {
    const queries = await dashboardQueries();
    assert.ok(queries.length > 20);
    for (const { title, expr } of queries) {
      const samples = await prometheus.until(expr, (found) => found.length > 0);
      assert.ok(samples.length > 0, title);
    }
  });

  it('tells what is wrong with files within a scrape, and alerts of it', async () => {
    await world.put('2020-01-01T00-00-00.csv', incFile([{ ticket_id: 'C' }]));
    await world.put('2099-01-01T00-00-00.csv', incFile([{ ticket_id: 'C' }]));
    await world.put(fileName(1), incFile([{ ticket_id: 'A', title: 'other' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'D', mttr: 'much' }]));
    await assert.rejects((await world.start(`${world.name}-bad`)).result());
    await assert.rejects(world.load(world.dataset.changesPrefix + fileName(4)), { kind: 'FileVanished' });
    for (const state of ['failed', 'vanished', 'late', 'changed', 'future'])
      await prometheus.until(
        `tidemark_files{dataset="inc", state="${state}"}`,
        ([sample]) => sample?.value[1] === '1',
      );
    await prometheus.until('tidemark_rejected_rows{dataset="inc"}', ([sample]) => sample?.value[1] === '1');
    for (const state of ['Failed', 'Vanished', 'Late', 'Changed', 'Future'])
      await fires(`TidemarkFile${state}`);
    assert.equal(logged('refused').at(-1)?.['column'], 'mttr');
  });

  it('has its first failure seen as an increase', async () => {
    const first = 'increase(tidemark_failures_total{kind="RowsRejected"}[1m]) > 0';
    await prometheus.until(first, (found) => found.length === 1);
  });

  async function fires(name: string): Promise<void> {
    await until(30_000, `${name} fires`, async () => (await prometheus.firing()).includes(name));
  }

  it('with PostgreSQL gone: the metrics of the process come all the same, and an alert fires', async () => {
    await postgres.refuse();
    postgres.cutAll();
    try {
      await fires('TidemarkPostgresDown');
      assert.match((await get('/metrics')).body, /^process_resident_memory_bytes \d+$/m);
    } finally {
      await postgres.admit();
    }
    await prometheus.until('tidemark_postgres_up', ([sample]) => sample?.value[1] === '1');
  });

  it('with PostgreSQL silent: not ready, alive, and the metrics of the process come all the same', async () => {
    postgres.rule = () => 'stall';
    postgres.stallAll();
    try {
      const begun = Date.now();
      const [ready, alive, metrics] = await Promise.all([get('/readyz'), get('/healthz'), get('/metrics')]);
      assert.ok(Date.now() - begun < 8_000, `${Date.now() - begun} ms`);
      assert.equal(ready.status, 503);
      assert.match(ready.body, /"worker":"RUNNING","temporal":true,"postgres":false/);
      assert.equal(alive.status, 200);
      assert.match(metrics.body, /^tidemark_postgres_up 0$/m);
      assert.match(metrics.body, /^process_resident_memory_bytes \d+$/m);
      assert.doesNotMatch(metrics.body, /^tidemark_files\{/m);
    } finally {
      postgres.heal();
    }
    await prometheus.until('tidemark_postgres_up', ([sample]) => sample?.value[1] === '1');
  });

  it('that is gone is told by an alert', async () => {
    await worker.kill();
    await fires('TidemarkWorkerDown');
  });
});
