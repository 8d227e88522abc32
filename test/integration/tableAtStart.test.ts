import assert from 'node:assert/strict';
import { until } from '../support/faults/bounds.ts';
import { WorkerProcess } from '../support/faults/processes.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld } from '../support/world.ts';

describe('a worker that starts', function () {
  this.timeout(90_000);

  it('notes which datasets are switched on, also of those that nobody lists any more', async () => {
    const world = await openWorld();
    await world.db.query(`update tickets.dataset_state set enabled = dataset <> 'inc', archives = false`);
    const worker = await WorkerProcess.start(world.env);
    await worker.works();
    assert.deepEqual(
      await world.db.query('select dataset, enabled, archives from tickets.dataset_state order by dataset'),
      [
        { dataset: 'crq', enabled: false, archives: true },
        { dataset: 'inc', enabled: true, archives: true },
      ],
    );
    await worker.end();
    await world.close();
  });

  it('notes it once a load that holds the dataset is over', async () => {
    const world = await openWorld();
    await world.db.query(`update tickets.dataset_state set enabled = false`);
    const enabled = async (): Promise<unknown> =>
      (await world.db.query(`select enabled from tickets.dataset_state where dataset = 'inc'`))[0];
    let worker: WorkerProcess | undefined;
    await world.deps.pool.withSession(undefined, async (load) => {
      await load.query('begin');
      await load.query(`select from tickets.dataset_state where dataset = 'inc' for update`);
      worker = await WorkerProcess.start(world.env);
      await worker.works();
      assert.deepEqual(await enabled(), { enabled: false });
      await load.query('commit');
    });
    await until(20_000, 'it is noted', async () => ((await enabled()) as { enabled: boolean }).enabled);
    assert.equal(await worker?.end(), 'status 0');
    await world.close();
  });

  it('goes on where PostgreSQL breaks off while it notes that, and notes it later', async () => {
    const world = await openWorld();
    await world.db.query(`update tickets.dataset_state set enabled = false`);
    await world.db.query(`create function broken() returns trigger language plpgsql as
      $$ begin raise 'shut down' using errcode = 'admin_shutdown'; end $$`);
    await world.db.query(
      'create trigger broken before update on tickets.dataset_state for each row execute function broken()',
    );
    const enabled = async (): Promise<unknown> =>
      (await world.db.query(`select enabled from tickets.dataset_state where dataset = 'inc'`))[0];
    const worker = await WorkerProcess.start(world.env);
    await worker.works();
    assert.deepEqual(await enabled(), { enabled: false });
    await world.db.query('drop function broken cascade');
    await until(20_000, 'it is noted', async () => ((await enabled()) as { enabled: boolean }).enabled);
    assert.equal(await worker.end(), 'status 0');
    await world.close();
  });

  it('ends where the schema is not up to date, and says what to type', async () => {
    const world = await openWorld();
    await world.db.query('alter table tickets.dataset_state drop column enabled_since cascade');
    const worker = await WorkerProcess.start(world.env);
    await until(60_000, 'it ends', () => !worker.running);
    assert.equal(await worker.end(), 'status 1');
    assert.match(worker.said, /tidemark migrate/);
    await world.close();
  });

  it('says what its table lacks, and the SQL that mends it; mended, its files are loaded', async () => {
    const world = await openWorld();
    await world.db.query('alter table tickets.inc drop column mttr');
    await world.db.query('alter table tickets.inc alter column created_week type text');
    const worker = await WorkerProcess.start(world.env);
    await worker.works();
    const told = [...worker.said.matchAll(/"message":"(inc: (?:[^"\\]|\\.)*)"/g)].map(
      ([, text]) => JSON.parse(`"${text}"`) as string,
    );
    assert.deepEqual(
      told.map((text) => text.split('. Mend it: ')[0]),
      ['inc: created_week is of type text, and not date', 'inc: tickets.inc lacks the column mttr'],
    );
    await world.put(fileName(0), incFile([{ ticket_id: 'A', mttr: '1.5' }]));
    for (const text of told) await world.db.query(text.split('. Mend it: ')[1] ?? '');
    const run = await world.start();
    assert.equal((await run.result()).applied, 1);
    await worker.end();
    await world.close();
  });

  for (const [what, env, said] of [
    [
      'no dataset can be listed',
      { S3_BUCKET: 'nosuchbucket' },
      /inc: S3 refuses the request .*bucket nosuchbucket\) \[NoSuchBucket\]\. Check the bucket/,
    ],
    [
      'its connections can never fit',
      { TIDEMARK_LOADS: '64' },
      /opens up to 192 connections .*: it can never have more than \d+\. Set TIDEMARK_LOADS to at most \d+, or raise/,
    ],
  ] as const)
    it(`ends where ${what}, and says why`, async () => {
      const world = await openWorld();
      const worker = await WorkerProcess.start({ ...world.env, ...env });
      await until(60_000, 'it ends', () => !worker.running);
      assert.equal(await worker.end(), 'status 1');
      assert.match(worker.said, said);
      await world.close();
    });
});
