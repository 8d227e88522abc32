import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inc } from '../../src/datasets/inc.ts';
import { until } from '../support/faults/bounds.ts';
import { startFake, type HttpFake } from '../support/httpFake.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { startMonitored, type Monitored } from '../support/monitored.ts';
import { MONITORING, promtool } from '../support/prometheus.ts';
import { createUser, documentedPolicy, grant, type Keys, type Statement } from '../support/s3User.ts';
import { openWorld, type World } from '../support/world.ts';

async function ruleNames(): Promise<string[]> {
  const rules = await readFile(join(MONITORING, 'prometheus/tidemark.rules.yml'), 'utf8');
  return [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name ?? '').sort();
}

describe('alert rules', () => {
  it('are rules to promtool, and each fires where it should and nowhere else', async () => {
    assert.match(await promtool('check', 'rules', 'tidemark.rules.yml'), /SUCCESS: 14 rules found/);
    await promtool('check', 'config', 'prometheus.yml');
    await promtool('test', 'rules', 'tidemark.rules.test.yml');
  });

  it('each has an entry in docs/monitoring.md, and a line on how it was seen to fire', async () => {
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
    const told = [...docs.matchAll(/^\| `(Tidemark\w+)` +\|/gm)].map(([, name]) => name ?? '').sort();
    assert.deepEqual(told, await ruleNames());
  });
});

/** A name whose stamp is so many minutes ago. */
function nameOfAgo(minutes: number): string {
  const nairobi = new Date(Date.now() + 3 * 3_600_000 - minutes * 60_000);
  return `${nairobi.toISOString().slice(0, 19).replaceAll(':', '-')}.csv`;
}

// One story: each step leaves what the next begins with. `for` is 1 s here, the limits are the rules' own.
describe('a real Prometheus at a real worker', function () {
  this.timeout(120_000);
  let world: World;
  let receiver: HttpFake;
  let user: Keys;
  let policy: readonly Statement[];
  let monitored: Monitored;
  const fired = new Set<string>();

  before(async () => {
    world = await openWorld();
    receiver = await startFake((_request, response) => response.writeHead(500).end());
    user = await createUser(world.shared.stack);
    policy = await documentedPolicy(world.name);
    await grant(world.s3, world.name, user, policy);
    monitored = await startMonitored(world, {
      AWS_ACCESS_KEY_ID: user.accessKeyId,
      AWS_SECRET_ACCESS_KEY: user.secretAccessKey,
      TIDEMARK_WEBHOOK_URL: `${receiver.endpoint}/hook`,
    });
  });
  after(async () => {
    await monitored.stop();
    await receiver.stop();
    await world.close();
  });

  /** Waits until these alerts fire and no other. */
  async function fire(...names: readonly string[]): Promise<void> {
    const full = names.map((name) => `Tidemark${name}`);
    await monitored.prometheus.fire(...full);
    for (const name of full) fired.add(name);
  }

  let runs = 0;
  async function run(): Promise<void> {
    await (await world.start(`${world.name}-${++runs}`)).result();
  }

  it('no check: nobody has ever listed', async () => {
    await fire('NoCheck');
  });

  it('no first file: the bucket is empty', async () => {
    await run();
    await fire('NoFirstFile');
  });

  it('exporter silent, stale, export truncated: a baseline that is months old and cut short', async () => {
    const cut = [{ ticket_id: 'A' }, { ticket_id: 'EXPORT STOPPED at 1 row' }];
    await world.put(fileName(1), incFile(cut));
    await run();
    await fire('ExporterSilent', 'Stale', 'ExportTruncated');
  });

  it('archive debt: S3 refuses the archive; an export of 90 minutes ago is silence and not yet stale', async () => {
    const Resource = `arn:aws:s3:::${world.name}/${inc.processedPrefix}*`;
    const refusal = { Effect: 'Deny', Action: 's3:PutObject', Resource };
    await grant(world.s3, world.name, user, [...policy, refusal]);
    const key = await world.put(nameOfAgo(90), incFile([{ ticket_id: 'B' }]));
    await run();
    await run();
    await fire('ExporterSilent', 'ExportTruncated');
    await world.db.query(
      `update tickets.import_meta set imported_at = imported_at - interval '61 minutes' where source_key = $1`,
      [key],
    );
    await fire('ExporterSilent', 'ExportTruncated', 'ArchiveDebt');
    await grant(world.s3, world.name, user, policy);
    await run();
    await fire('ExporterSilent', 'ExportTruncated');
  });

  it('no check: the last one was 16 minutes ago, and the exporter may well have written', async () => {
    await world.db.query(
      `update tickets.dataset_state set last_checked_at = last_checked_at - interval '16 minutes'`,
    );
    await world.db.query(`update tickets.import_meta set imported_at = imported_at - interval '16 minutes'`);
    await fire('NoCheck', 'ExportTruncated');
  });

  it('a file that failed, vanished, came late, was changed, lies in the future', async () => {
    await world.put('2020-01-01T00-00-00.csv', incFile([{ ticket_id: 'C' }]));
    await world.put('2099-01-01T00-00-00.csv', incFile([{ ticket_id: 'C' }]));
    await world.put(fileName(1), incFile([{ ticket_id: 'A', title: 'other' }]));
    await world.put(nameOfAgo(80), incFile([{ ticket_id: 'D', mttr: 'much' }]));
    await assert.rejects(run());
    await assert.rejects(world.load(inc.changesPrefix + nameOfAgo(70)), { kind: 'FileVanished' });
    const files = ['Failed', 'Vanished', 'Late', 'Changed', 'Future'];
    await fire('ExportTruncated', ...files.map((state) => `File${state}`));
  });

  it('webhook failing: the receiver answers the last of the attempts with 500 too', async () => {
    const undelivered = `from tickets.webhook_messages where sent_at is null and attempts > 0`;
    await until(
      30_000,
      'a message was tried',
      async () => (await world.db.query(`select ${undelivered}`)).length > 0,
    );
    const waiting = 'tidemark_webhook_undelivered';
    await monitored.prometheus.until(waiting, ([sample]) => Number(sample?.value[1]) > 0);
    await world.db.query(
      `update tickets.webhook_messages set attempts = 7, next_at = '-infinity'
       where id = (select id ${undelivered} limit 1)`,
    );
    const files = ['Failed', 'Vanished', 'Late', 'Changed', 'Future'].map((state) => `File${state}`);
    await fire('WebhookFailing', 'ExportTruncated', ...files);
  });

  // Late, changed and future files are kept for ten minutes: a listing of several pages is noted page by page.
  const kept = ['FileLate', 'FileChanged', 'FileFuture', 'WebhookFailing'];

  it('PostgreSQL down: connections to it are refused', async () => {
    await monitored.postgres.refuse();
    monitored.postgres.cutAll();
    await fire('PostgresDown', ...kept);
    await monitored.postgres.admit();
  });

  it('worker down: it is killed', async () => {
    await monitored.worker.kill();
    await fire('WorkerDown', ...kept);
  });

  it('no rule is left that has not fired', async () => {
    assert.deepEqual([...fired].sort(), await ruleNames());
  });
});
