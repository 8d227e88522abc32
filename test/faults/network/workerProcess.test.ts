import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { inc } from '../../../src/datasets/inc.ts';
import { until, within } from '../../support/faults/deadline.ts';
import { DOSE_TIMEOUT_MS, LONG, randomOf, SECONDS } from '../../support/faults/dose.ts';
import { FOUR_FILES, LARGE_FILE } from '../../support/faults/files.ts';
import { startPostgresProxy, type Harm, type PostgresProxy } from '../../support/faults/postgresProxy.ts';
import { startS3Proxy, type S3Proxy } from '../../support/faults/s3Proxy.ts';
import { fileName, incFile } from '../../support/incFile.ts';
import { expectedTable, readTable } from '../../support/tables.ts';
import { openWorld, type World } from '../../support/world.ts';

const HARMS: readonly Harm[] = ['cut', 'cut in the middle', 'lose the answer'];

describe('a worker process in a storm of broken connections', function () {
  this.timeout(DOSE_TIMEOUT_MS);
  let world: World;
  let postgres: PostgresProxy;
  let s3: S3Proxy;
  before(async () => {
    world = await openWorld();
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    postgres = await startPostgresProxy(Number(url.port));
    s3 = await startS3Proxy(world.env['AWS_ENDPOINT_URL_S3'] ?? '');
    url.port = String(postgres.port);
    Object.assign(world.env, { DATABASE_URL: url.href, AWS_ENDPOINT_URL_S3: s3.endpoint });
  });
  after(async () => {
    await postgres.stop();
    await s3.stop();
    await world.close();
  });

  it('lives on; when it is over, everything is applied once and archived', async () => {
    const random = randomOf('storm');
    const worker = world.workProcess();
    // It has started once it polls: its first queries are made without harm, as an operator would see to.
    await until('the worker has asked PostgreSQL and S3', () => postgres.count > 0 && s3.count > 0, 30_000);
    let harms = 0;
    postgres.rule = ({ type }) => {
      // One message in forty: now and then a transaction gets through.
      if (type === 'd' || random() > 1 / 40) return 'none';
      harms += 1;
      return HARMS[Math.floor(random() * HARMS.length)] ?? 'cut';
    };
    s3.rule = () => {
      if (random() > 1 / 4) return 'none';
      harms += 1;
      return random() < 0.5 ? 'cut' : 'lose the answer';
    };
    const files: { key: string; body: string | Buffer }[] = [];
    const end = Date.now() + (LONG ? SECONDS : 6) * 1000;
    let run = await world.start(`${world.name}-storm-0`);
    for (let n = 1; Date.now() < end; n++) {
      const body =
        n === 2
          ? (FOUR_FILES[LARGE_FILE] ?? '')
          : incFile([{ ticket_id: 'A', priority: `${n}` }, { ticket_id: `T${n}` }]);
      files.push({ key: await world.put(fileName(n), body), body });
      await delay(150);
      if (n % 10 === 0) {
        if (random() < 0.5) postgres.cutAll();
        // A run that found S3 or PostgreSQL refusing is over; the next tick starts another.
        run = await world.start(`${world.name}-storm-${n}`);
      }
    }
    postgres.heal();
    s3.heal();
    await within(
      90_000,
      'the run in the storm',
      run.result().catch(() => undefined),
    );
    await within(60_000, 'the run after it', (await world.start(`${world.name}-calm`)).result());
    assert.ok(harms > 5, `${harms} harms`);
    assert.deepEqual([worker.exitCode, worker.signalCode], [null, null]);
    assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, files));
    assert.deepEqual(
      (await world.ledger()).map(({ key, archived }) => ({ key, archived })),
      files.map(({ key }) => ({ key, archived: true })),
    );
    assert.deepEqual(await world.keys(inc.changesPrefix), []);
    // A server that has become silent answers no farewell: the worker's process ends all the same.
    postgres.stallAll();
    const gone = once(worker, 'exit');
    worker.kill('SIGTERM');
    assert.deepEqual(await within(30_000, 'the end of the worker', gone), [0, null]);
  });
});
