import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { inc } from '../../src/datasets/inc.ts';
import { ALERT_LIMITS } from '../../src/domain/alerts.ts';
import { noteSettings } from '../../src/postgres/ledger.ts';
import { startAlerting } from '../../src/monitoring/alerting.ts';
import { DELIVERY } from '../../src/monitoring/deliver.ts';
import { until } from '../support/faults/bounds.ts';
import { startFake, type HttpFake } from '../support/httpFake.ts';
import { HUSH } from '../support/hush.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { quietRuntime } from '../support/runtime.ts';
import { openWorld, type World } from '../support/world.ts';

const SECRET = 'a secret of the receiver';

interface Received {
  readonly id: string;
  readonly event: string;
  readonly status: string;
  readonly dataset: string;
  readonly files: readonly { key: string; kind?: string; line?: number; column?: string }[];
  readonly total: number;
  readonly summary: string;
  readonly repeated?: true;
}

/** How the receiver answers the next requests, in their order; then with 204. */
type Manner = 'fails' | 'hangs' | 'takes';

describe('the webhook', function () {
  this.timeout(120_000);
  let world: World;
  let receiver: HttpFake;
  let manners: Manner[] = [];
  let requests: { headers: IncomingMessage['headers']; body: string; manner: Manner }[] = [];
  let stops: (() => Promise<void>)[] = [];

  before(async () => {
    receiver = await startFake((request, response) => void receive(request, response));
  });
  after(() => receiver.stop());
  beforeEach(async () => {
    [manners, requests, stops] = [[], [], []];
    world = await openWorld();
  });
  afterEach(async () => {
    await Promise.all(stops.map((stop) => stop()));
    await world.close();
  });

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const manner = manners.shift() ?? 'takes';
    requests.push({ headers: request.headers, body, manner });
    if (manner === 'hangs') return;
    response.writeHead(manner === 'fails' ? 500 : 204).end();
  }

  /** Starts the alerting of one worker, with short times. */
  function alerting(attempts = 8): () => Promise<void> {
    const stop = startAlerting({
      pool: world.deps.pool,
      datasets: world.deps.datasets,
      limits: ALERT_LIMITS,
      webhook: { url: new URL(`${receiver.endpoint}/hook?token=x`), secret: SECRET },
      log: quietRuntime(),
      everyMs: 50,
      delivery: { ...DELIVERY, attempts, timeoutMs: 300, backoffMs: 400, longestMs: 800 },
    });
    stops.push(stop);
    return stop;
  }

  function taken(event?: string): Received[] {
    return requests
      .filter(({ manner }) => manner === 'takes')
      .map(({ body }) => JSON.parse(body) as Received)
      .filter((message) => event === undefined || message.event === event);
  }

  async function looks(): Promise<void> {
    const looked = async (): Promise<unknown> =>
      (await world.db.query<{ n: unknown }>(`select count(*)::float8 as n from tickets.alerts`))[0]?.n;
    await until(10_000, 'a look', async () => Number(await looked()) > 0);
  }

  /** A refused file, so that the dataset stops. */
  async function refuse(n: number): Promise<string> {
    const key = await world.put(fileName(n), incFile([{ ticket_id: 'A', title: HUSH, mttr: HUSH }]));
    await assert.rejects(world.load(key));
    return key;
  }

  it('is told of a refused file once, signed, although two workers look all the time', async () => {
    const key = await refuse(1);
    alerting();
    alerting();
    await until(10_000, 'the message', () => taken('file_failed').length > 0);
    // An occurrence of another kind shows that both have looked on for long.
    const late = await refuse(2);
    await until(10_000, 'the second', () => taken('file_failed').length > 1);
    await looks();
    assert.deepEqual(
      taken('file_failed').map(({ status, dataset, files, total }) => ({ status, dataset, files, total })),
      [key, late].map((refused, i) => ({
        status: 'firing',
        dataset: 'inc',
        files: [{ key: refused, kind: 'RowsRejected', line: 2, column: 'mttr' }],
        total: i + 1,
      })),
    );
    for (const { headers, body } of requests) {
      const timestamp = String(headers['x-tidemark-timestamp']);
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60);
      const signed = createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex');
      assert.equal(headers['x-tidemark-signature'], `sha256=${signed}`);
      assert.equal(headers['x-tidemark-id'], (JSON.parse(body) as Received).id);
      assert.ok(!body.includes(HUSH));
    }
    assert.deepEqual(
      taken('no_check').map(({ files }) => files),
      [[]],
    );
  });

  it('that fails, then hangs, then answers, gets the same message again', async () => {
    await world.db.query(`update tickets.dataset_state set last_checked_at = clock_timestamp()`);
    manners = ['fails', 'hangs'];
    await refuse(1);
    alerting();
    await until(20_000, 'it is taken', () => taken().length > 0);
    assert.deepEqual(
      requests.map(({ manner }) => manner),
      ['fails', 'hangs', 'takes'],
    );
    assert.equal(new Set(requests.map(({ headers }) => headers['x-tidemark-id'])).size, 1);
  });

  it('that never answers is given up after its attempts, and hangs up no worker', async () => {
    await world.db.query(`update tickets.dataset_state set last_checked_at = clock_timestamp()`);
    manners = Array.from({ length: 20 }, (): Manner => 'hangs');
    await refuse(1);
    const stop = alerting(3);
    const given = `select count(*)::float8 as n from tickets.webhook_messages where given_up_at is not null`;
    await until(
      20_000,
      'it is given up',
      async () => (await world.db.query<{ n: number }>(given))[0]?.n === 1,
    );
    assert.equal(requests.length, 3);
    await refuse(2);
    await until(10_000, 'the next one is tried', () => requests.length > 3);
    const begun = Date.now();
    await stop();
    assert.ok(Date.now() - begun < 250, 'it stops in the middle of an attempt');
  });

  it('is told again, once an hour, of what stands and it did not take; not of what it took, or what is over', async () => {
    await world.db.query(`update tickets.dataset_state set last_checked_at = clock_timestamp()`);
    manners = ['fails'];
    const first = await refuse(1);
    alerting(1);
    const givenUp = `select count(*)::float8 as n from tickets.webhook_messages where given_up_at is not null`;
    const count = async (): Promise<number> => (await world.db.query<{ n: number }>(givenUp))[0]?.n ?? 0;
    await until(10_000, 'it is given up', async () => (await count()) === 1);
    const second = await refuse(2);
    await until(10_000, 'the second is taken', () => taken('file_failed').length === 1);
    const anHourOn = `update tickets.webhook_messages set created_at = created_at - interval '61 minutes',
      given_up_at = given_up_at - interval '61 minutes';
      update tickets.alerts set since = since - interval '61 minutes'`;
    manners = ['fails'];
    await world.db.query(anHourOn);
    await until(10_000, 'it is told again, and given up', async () => (await count()) === 2);
    await world.db.query(anHourOn);
    await until(10_000, 'it is told again, and taken', () => taken('file_failed').length === 2);
    await world.db.query(anHourOn);
    const third = await refuse(3);
    await until(10_000, 'a third', () => taken('file_failed').length === 3);
    assert.deepEqual(
      taken('file_failed').map(({ files, repeated }) => [files.map(({ key }) => key), repeated]),
      [
        [[second], undefined],
        [[first, second], true],
        [[third], undefined],
      ],
    );
    assert.equal(requests.length, 5);
    await world.db.query(`update tickets.import_failures set resolved_at = now()`);
    await until(10_000, 'it is over', () => taken('file_failed').length === 4);
    await world.db.query(`update tickets.import_failures set resolved_at = null`);
    await until(10_000, 'it is back', () => taken('file_failed').length === 5);
    assert.deepEqual(
      taken('file_failed').map(({ repeated }) => repeated),
      [undefined, true, undefined, undefined, undefined],
    );
  });

  it('is told when it is over, and again when it comes back', async () => {
    await world.db.query(`update tickets.dataset_state set last_checked_at = clock_timestamp()`);
    alerting();
    const key = await refuse(1);
    await until(10_000, 'firing', () => taken('file_failed').length === 1);
    await world.db.query(`update tickets.import_failures set resolved_at = now() where source_key = $1`, [
      key,
    ]);
    await until(10_000, 'resolved', () => taken('file_failed').length === 2);
    await world.db.query(`update tickets.import_failures set resolved_at = null where source_key = $1`, [
      key,
    ]);
    await until(10_000, 'firing again', () => taken('file_failed').length === 3);
    assert.deepEqual(
      taken('file_failed').map(({ status, files }) => [status, files[0]?.key]),
      [
        ['firing', key],
        ['resolved', key],
        ['firing', key],
      ],
    );
  });

  it('is told of no missed check while a long run applies what it listed an hour ago', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    const listed = `update tickets.dataset_state set last_checked_at = clock_timestamp() - interval '1 hour'`;
    await world.db.query(listed);
    await refuse(2);
    const stop = alerting();
    await until(10_000, 'a look', () => taken('file_failed').length === 1);
    assert.deepEqual(taken('no_check'), []);
    await world.db.query(`update tickets.import_meta set imported_at = imported_at - interval '1 hour'`);
    await until(10_000, 'the run is stuck', () => taken('no_check').length === 1);
    await stop();
  });

  it('is told of a dataset that is checked and got no file since it was switched on, until the first comes', async () => {
    await noteSettings(world.deps.pool, [{ ...inc, enabled: false }]);
    await world.db.query(`update tickets.dataset_state set enabled_since = now() - interval '2 hours'`);
    await noteSettings(world.deps.pool, [inc]);
    await world.db.query(`update tickets.dataset_state set last_checked_at = clock_timestamp()`);
    const key = await refuse(1);
    alerting();
    await until(10_000, 'a look', () => taken('file_failed').length === 1);
    assert.deepEqual(taken('no_first_file'), []);
    await world.db.query(`update tickets.dataset_state set enabled_since = now() - interval '2 hours'`);
    await until(10_000, 'firing', () => taken('no_first_file').length === 1);
    await world.putAndLoad(key, incFile([{ ticket_id: 'A' }]));
    await until(10_000, 'resolved', () => taken('no_first_file').length === 2);
    assert.deepEqual(
      taken('no_first_file').map(({ status }) => status),
      ['firing', 'resolved'],
    );
  });

  it('is told of each event of a dataset', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: `${inc.sentinel} at 1` }]));
    const lists = { pending: { total: 0, keys: [] }, isWhole: true };
    const list = (name: string): object => ({ total: 1, keys: [`automations/inc/changes/${name}.csv`] });
    const listing = { ...lists, late: list('late'), changed: list('changed'), future: list('future') };
    await world.db.query(
      `update tickets.dataset_state set last_checked_at = clock_timestamp(), last_listing = $1::text::jsonb`,
      [JSON.stringify(listing)],
    );
    await world.db.query(`update tickets.import_meta set imported_at = now() - interval '2 hours'`);
    alerting();
    const first = ['archive_debt', 'export_truncated', 'exporter_silent', 'file_changed', 'file_future'];
    const expected = [...first, 'file_late', 'stale'];
    await until(10_000, 'all of it', () => taken().length >= expected.length);
    assert.deepEqual(
      taken()
        .map(({ event }) => event)
        .sort(),
      expected,
    );
    await refuse(2);
    await world.db.query(
      `insert into tickets.import_failures (dataset, source_key, etag, kind, message)
       values ('inc', 'automations/inc/changes/gone.csv', 'e', 'FileVanished', 'gone')`,
    );
    await world.db.query(`update tickets.dataset_state set last_checked_at = now() - interval '1 hour'`);
    const more = ['file_failed', 'file_vanished', 'no_check'];
    const fired = (): Received[] => taken().filter(({ status }) => status === 'firing');
    await until(10_000, 'the rest', () => fired().length >= expected.length + more.length);
    assert.deepEqual(
      fired()
        .map(({ event }) => event)
        .sort(),
      [...expected, ...more].sort(),
    );
    assert.deepEqual(
      taken()
        .filter(({ status }) => status === 'resolved')
        .map(({ event }) => event),
      ['exporter_silent'],
    );
  });
});
