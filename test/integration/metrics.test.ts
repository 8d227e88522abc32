import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inc } from '../../src/datasets/inc.ts';
import { missedChecks } from '../../src/monitoring/missedChecks.ts';
import { until } from '../support/faults/bounds.ts';
import { startFake, type HttpFake } from '../support/httpFake.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { startMonitored, type Monitored } from '../support/monitored.ts';
import { MONITORING } from '../support/prometheus.ts';
import { openWorld, type World } from '../support/world.ts';

const SECRET = 'a secret of the receiver';

/** The rows of the tables of docs/monitoring.md. */
async function documentedMetrics(): Promise<string[]> {
  const docs = await readFile(join(MONITORING, '../docs/monitoring.md'), 'utf8');
  return [...docs.matchAll(/^\| `(tidemark_\w+)/gm)].map(([, name]) => name ?? '').sort();
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly type: string; readonly query: string }[] };
}

async function dashboard(): Promise<Dashboard> {
  const file = join(MONITORING, 'grafana/dashboards/tidemark.json');
  return JSON.parse(await readFile(file, 'utf8')) as Dashboard;
}

/** The expressions of a panel, their variables filled in as Grafana does. */
function queriesOf({ targets }: Dashboard['panels'][number]): string[] {
  return targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$dataset', '.*'));
}

describe('a worker with TIDEMARK_HTTP_PORT and TIDEMARK_WEBHOOK_URL', function () {
  this.timeout(180_000);
  let world: World;
  let monitored: Monitored;
  let prometheus: Monitored['prometheus'];
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
    monitored = await startMonitored(world, {
      TIDEMARK_WEBHOOK_URL: `${receiver.endpoint}/hook`,
      TIDEMARK_WEBHOOK_SECRET: SECRET,
    });
    prometheus = monitored.prometheus;
    // What is done after its first scrape is an increase.
    await prometheus.until('tidemark_loads_total', (found) => found.length > 0);
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'A', title: 'again' }]));
    await (await world.start()).result();
  });
  after(async () => {
    await monitored.stop();
    await receiver.stop();
    await world.close();
  });

  async function get(path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(monitored.base + path);
    return { status: response.status, body: await response.text() };
  }

  /** Times of the schedule that have come since the run: none, but where the tests run over one. */
  async function dueSince(): Promise<number> {
    const [row] = await world.db.query<{ at: Date }>(
      `select last_checked_at as at from tickets.dataset_state where dataset = 'inc'`,
    );
    return missedChecks(inc, row?.at ?? null, new Date());
  }

  it('logs JSON lines with dataset, key, workflow and run id', async () => {
    await until(5_000, 'both loads are logged', () => monitored.logged('applied').length === 2);
    const run = await world.shared.temporal.workflow.getHandle(`${world.name}-run`).describe();
    assert.deepEqual(
      monitored
        .logged('applied')
        .map(({ dataset, key, workflowId, runId }) => ({ dataset, key, workflowId, runId })),
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
    assert.equal((await fetch(`${monitored.base}/metrics`, { method: 'POST', body: 'x' })).status, 405);
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
    assert.equal(await number('tidemark_load_seconds_count{dataset="inc"}'), 2);
    assert.ok((await number('sum(tidemark_read_bytes_total)')) > 100);
    await prometheus.until(
      'sum(tidemark_moves_total{outcome="moved"})',
      ([sample]) => sample?.value[1] === '2',
    );
    await prometheus.until('tidemark_dataset_rows{dataset="inc"}', ([sample]) => sample?.value[1] === '2');
    await prometheus.until(
      'tidemark_archive_debt_files{dataset="inc"}',
      ([sample]) => sample?.value[1] === '0',
    );
    assert.equal(await number('tidemark_files{dataset="inc", state="pending"}'), 0);
    assert.equal(await number('tidemark_dataset_enabled{dataset="inc"}'), 1);
    assert.equal(await number('tidemark_dataset_enabled{dataset="crq"}'), 0);
    const missed = await number('tidemark_missed_checks{dataset="inc"}');
    assert.ok(missed === 0 || missed === (await dueSince()), `${missed} missed`);
    assert.ok((await number('tidemark_freshness_seconds')) > 0);
    assert.ok((await number('tidemark_last_check_age_seconds')) < 60);
    assert.ok((await number('temporal_request_total{operation="RespondWorkflowTaskCompleted"}')) > 0);
  });

  it('answers each query of the dashboard with numbers, and its variable with the datasets', async () => {
    const { panels, templating } = await dashboard();
    assert.ok(panels.flatMap(queriesOf).length > 20);
    for (const panel of panels) {
      const queries = queriesOf(panel);
      assert.ok(queries.length > 0, panel.title);
      // A quantile of nothing is NaN.
      for (const query of queries)
        await prometheus.until(query, (found) =>
          found.some(({ value }) => Number.isFinite(Number(value[1]))),
        );
    }
    const asked = templating.list.filter(({ type }) => type === 'query');
    assert.deepEqual(
      asked.map(({ query }) => query),
      ['label_values(tidemark_dataset_enabled, dataset)'],
    );
    assert.ok((await prometheus.labelValues('tidemark_dataset_enabled', 'dataset')).includes('inc'));
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

  it('tells what is wrong with files within a scrape', async () => {
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
    assert.equal(monitored.logged('refused').at(-1)?.['column'], 'mttr');
  });

  it('has its first failure seen as an increase', async () => {
    const first = 'increase(tidemark_failures_total{kind="RowsRejected"}[1m]) > 0';
    await prometheus.until(first, (found) => found.length === 1);
  });

  it('with PostgreSQL gone: the metrics of the process come all the same', async () => {
    const { postgres } = monitored;
    await postgres.refuse();
    postgres.cutAll();
    try {
      await prometheus.until('tidemark_postgres_up', ([sample]) => sample?.value[1] === '0');
      assert.match((await get('/metrics')).body, /^process_resident_memory_bytes \d+$/m);
    } finally {
      await postgres.admit();
    }
    await prometheus.until('tidemark_postgres_up', ([sample]) => sample?.value[1] === '1');
  });

  it('with PostgreSQL silent: not ready, alive, and the metrics of the process come all the same', async () => {
    const { postgres } = monitored;
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
});
