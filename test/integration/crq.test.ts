import assert from 'node:assert/strict';
import { crq } from '../../src/datasets/crq.ts';
import { inc } from '../../src/datasets/inc.ts';
import type { ingestDataset } from '../../src/workflows/ingestDataset.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { createUser, documentedPolicy, grant } from '../support/s3User.ts';
import { expectedTable, readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

/** An old snapshot of the source, in the root of its prefix. */
const SNAPSHOT = 'automations/crq/2025-12-31T23-00-00.csv';

describe('crq beside inc', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld([inc, crq]);
  });
  afterEach(() => world.close());

  it('both run side by side, each with its table, ledger and archive; a ticket of one is none of the other', async () => {
    const files = [
      { key: inc.changesPrefix + fileName(1), body: incFile([{ ticket_id: 'A', title: 'incident' }]) },
      { key: crq.changesPrefix + fileName(1), body: incFile([{ ticket_id: 'A', title: 'change' }]) },
      { key: crq.changesPrefix + fileName(2), body: incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]) },
    ];
    for (const { key, body } of files) await world.put(key, body);
    await world.put(SNAPSHOT, 'no change file');
    await world.work();
    const runs = await Promise.all(['inc', 'crq'].map(ingest));
    assert.deepEqual(
      runs.map(({ applied, watermark }) => [applied, watermark]),
      [
        [1, files[0]?.key],
        [2, files[2]?.key],
      ],
    );
    for (const dataset of [inc, crq]) {
      const own = files.filter(({ key }) => key.startsWith(dataset.changesPrefix));
      assert.deepEqual(await readTable(world.db, dataset), expectedTable(dataset, own));
    }
    assert.deepEqual(
      await world.db.query(
        `select dataset, export_type as type, count(*)::int as n from tickets.import_meta group by 1, 2 order by 1, 2`,
      ),
      [
        { dataset: 'crq', type: 'baseline', n: 1 },
        { dataset: 'crq', type: 'delta', n: 1 },
        { dataset: 'inc', type: 'baseline', n: 1 },
      ],
    );
    assert.deepEqual(await world.keys(), [
      SNAPSHOT,
      crq.processedPrefix + fileName(1),
      crq.processedPrefix + fileName(2),
      inc.processedPrefix + fileName(1),
    ]);
  });

  it('crq is off: no Schedule, none of its prefixes is needed, and it is told how to be switched on', async () => {
    const user = await createUser(world.shared.stack);
    await grant(world.s3, world.name, user, await documentedPolicy(world.name));
    const env = {
      ...world.env,
      AWS_ACCESS_KEY_ID: user.accessKeyId,
      AWS_SECRET_ACCESS_KEY: user.secretAccessKey,
    };
    const type = (...args: string[]): ReturnType<World['command']> =>
      world.command(['dist/client.js', ...args], env);
    assert.deepEqual(
      await world.db.query(`select dataset, enabled from tickets.dataset_status order by dataset`),
      [
        { dataset: 'crq', enabled: false },
        { dataset: 'inc', enabled: true },
      ],
    );
    const applied = await type('schedule', 'apply');
    assert.deepEqual(
      [applied.status, applied.stdout],
      [0, 'created ingest-inc: */5 * * * * (Africa/Nairobi)\n'],
    );
    const refused = await type('schedule', 'apply', 'crq');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^tidemark: crq is not enabled.* enabled: true in src\/datasets\/crq\.ts/);
    const listed = await type('schedule', 'list');
    assert.match(listed.stdout, /ingest-inc/);
    assert.doesNotMatch(listed.stdout + listed.stderr, /crq/);
    const status = await type('status');
    assert.deepEqual([status.status, status.stderr], [0, '']);
    assert.match(status.stdout, /^switched off: crq {2}/m);
    const named = await world.client('status', 'crq');
    assert.match(named.stdout, /^crq {2}\(not enabled: no Schedule\)\n/);
    const deleted = await type('schedule', 'delete', '--yes');
    assert.deepEqual([deleted.status, deleted.stdout], [0, 'deleted ingest-inc\n']);
  });

  it('a worker starts and works without any right to the prefixes of crq', async () => {
    const user = await createUser(world.shared.stack);
    await grant(world.s3, world.name, user, await documentedPolicy(world.name));
    world.workProcess({
      ...world.env,
      AWS_ACCESS_KEY_ID: user.accessKeyId,
      AWS_SECRET_ACCESS_KEY: user.secretAccessKey,
    });
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    assert.equal((await ingest('inc')).applied, 1);
  });

  async function ingest(dataset: string): ReturnType<typeof ingestDataset> {
    return world.shared.temporal.workflow.execute<typeof ingestDataset>('ingestDataset', {
      args: [{ dataset }],
      taskQueue: world.name,
      workflowId: `${world.name}-${dataset}`,
    });
  }
});
