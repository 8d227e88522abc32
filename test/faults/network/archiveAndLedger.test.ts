import assert from 'node:assert/strict';
import type { WorkflowFailedError } from '@temporalio/client';
import { moveFiles } from '../../../src/activities/moveFiles.ts';
import type { IngestResult } from '../../../src/workflows/run.ts';
import { inc } from '../../../src/datasets/inc.ts';
import { fileName, incFile } from '../../support/incFile.ts';
import { openWorld, type World } from '../../support/world.ts';

const key = (n: number): string => inc.changesPrefix + fileName(n);
const file = (n: number): string => incFile([{ ticket_id: `T${n}` }]);

describe('bucket and ledger fall apart', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  const failureOfRun = (): Promise<IngestResult | (Error & { type: string })> =>
    world.run().catch((error: WorkflowFailedError) => error.cause as Error & { type: string });

  const debt = async (): Promise<number> => {
    const rows = await world.db.query<{ debt: number }>(
      `select archive_debt::int as debt from tickets.dataset_status where dataset = 'inc'`,
    );
    return rows[0]?.debt ?? -1;
  };
  const notArchived = (): Promise<object[]> =>
    world.db.query(
      `select source_key as key from tickets.import_meta where metadata ->> 'archive' = 'missing'`,
    );

  it('PostgreSQL restored to an earlier point: the run stops at the first file that it has forgotten, until it is put back', async () => {
    for (const n of [1, 2, 3]) await world.put(fileName(n), file(n));
    await world.run();
    // The restore.
    await world.db.query(`delete from tickets.import_meta where source_key > $1`, [key(1)]);
    await world.db.query(`delete from tickets.inc where ticket_id in ('T2', 'T3')`);
    await world.put(fileName(4), file(4));
    const failed = await failureOfRun();
    assert.ok(failed instanceof Error);
    assert.equal(failed.type, 'LedgerBehind');
    assert.match(
      failed.message,
      new RegExp(`^inc ${inc.processedPrefix}${fileName(2)}: it is archived.*back to changes/`),
    );
    const plan = await world.client('plan', 'inc');
    assert.deepEqual([plan.status, plan.stderr], [1, `tidemark: ${failed.message}\n`]);
    assert.equal((await world.ledger()).length, 1);
    for (const n of [2, 3]) {
      await world.put(fileName(n), file(n));
      await world.remove(inc.processedPrefix + fileName(n));
    }
    const result = await world.run();
    assert.deepEqual([result.applied, result.watermark], [3, key(4)]);
    assert.deepEqual(await world.keys(inc.changesPrefix), []);
  });

  for (const [size, tickets] of [
    ['small', 1],
    ['large', 4000],
  ] as const) {
    it(`PostgreSQL goes back under a run: the next file, a ${size} one, is not applied without those that were forgotten`, async () => {
      const { store } = world.deps;
      let wentBack = false;
      const read: typeof store.read = async (input) => {
        if (input.key === key(3) && !wentBack) {
          wentBack = true;
          await world.db.query(`delete from tickets.import_meta where source_key > $1`, [key(1)]);
          await world.db.query(`delete from tickets.inc where ticket_id = 'T2'`);
        }
        return store.read(input);
      };
      Object.assign(world.deps, { store: { ...store, read } });
      for (const n of [1, 2]) await world.put(fileName(n), file(n));
      await world.run();
      const rows = Array.from({ length: tickets }, (_, n) => ({ ticket_id: `T3-${n}` }));
      await world.put(fileName(3), incFile(rows));
      const failed = await failureOfRun();
      assert.ok(failed instanceof Error, 'the run failed');
      assert.deepEqual([wentBack, failed.type], [true, 'LedgerBehind']);
      assert.ok(
        failed.message.startsWith(`inc ${key(2)}: this run knows it to be applied, and the ledger does not`),
        failed.message,
      );
      assert.equal((await world.ledger()).length, 1);
      const [left] = await world.db.query<{ n: number }>('select count(*)::int as n from tickets.inc');
      assert.equal(left?.n, 1);
      // And the next one says from where on.
      const next = await world.run().catch((error: WorkflowFailedError) => error.cause as Error);
      assert.ok(next instanceof Error && next.message.includes(inc.processedPrefix + fileName(2)));
    });
  }

  it('PostgreSQL goes back between two pages of a listing: nothing of the second page is applied', async () => {
    const { store } = world.deps;
    let wentBack = false;
    const listPage: typeof store.listPage = async (input) => {
      if (input.prefix === inc.changesPrefix && input.after !== undefined && !wentBack) {
        wentBack = true;
        assert.equal((await world.ledger()).length, 3);
        await world.db.query(`delete from tickets.import_meta where source_key > $1`, [key(1)]);
        await world.db.query(`delete from tickets.inc where ticket_id <> 'T1'`);
      }
      return store.listPage({ ...input, limit: 2 });
    };
    await world.put(fileName(1), file(1));
    await world.run();
    Object.assign(world.deps, { store: { ...store, listPage } });
    for (const n of [2, 3, 4]) await world.put(fileName(n), file(n));
    await assertGoesBack(() => wentBack, ['T1']);
  });

  it('PostgreSQL goes back under a run: a late file is not applied', async () => {
    await world.close();
    world = await openWorld([{ ...inc, latePolicy: 'apply' }]);
    const { store } = world.deps;
    for (const n of [1, 5, 9]) await world.put(fileName(n), file(n));
    await world.run();
    let wentBack = false;
    const read: typeof store.read = async (input) => {
      wentBack = true;
      await world.db.query(`delete from tickets.import_meta where source_key > $1`, [key(5)]);
      await world.db.query(`delete from tickets.inc where ticket_id = 'T9'`);
      return store.read(input);
    };
    Object.assign(world.deps, { store: { ...store, read } });
    await world.put(fileName(4), file(4));
    await assertGoesBack(() => wentBack, ['T1', 'T5']);
  });

  async function assertGoesBack(wentBack: () => boolean, tickets: readonly string[]): Promise<void> {
    const failed = await failureOfRun();
    assert.ok(failed instanceof Error, 'the run failed');
    assert.deepEqual([wentBack(), failed.type], [true, 'LedgerBehind']);
    const rows = await world.db.query<{ id: string }>('select ticket_id as id from tickets.inc order by 1');
    assert.deepEqual(
      rows.map(({ id }) => id),
      tickets,
    );
  }

  it('PostgreSQL goes back between a load and its move: what it has forgotten is not moved, and the next run loads it', async () => {
    const { pool } = world.deps;
    let wentBack = false;
    const withSession: typeof pool.withSession = async (signal, work) => {
      const done = await pool.withSession(signal, work);
      if (!wentBack && (await world.ledger()).length === 3) {
        wentBack = true;
        await world.db.query(`delete from tickets.import_meta where source_key > $1`, [key(1)]);
        await world.db.query(`delete from tickets.inc where ticket_id in ('T2', 'T3')`);
      }
      return done;
    };
    Object.assign(world.deps, { pool: { ...pool, withSession } });
    for (const n of [1, 2, 3]) await world.put(fileName(n), file(n));
    const result = await world.run();
    assert.deepEqual([wentBack, result.applied, result.notMoved.total], [true, 3, 3]);
    assert.deepEqual(await world.keys(), [key(2), key(3), inc.processedPrefix + fileName(1)]);
    const next = await world.run();
    assert.deepEqual([next.applied, next.archived, next.watermark], [2, 2, key(3)]);
    const rows = await world.db.query('select ticket_id from tickets.inc order by 1');
    assert.deepEqual(rows, [{ ticket_id: 'T1' }, { ticket_id: 'T2' }, { ticket_id: 'T3' }]);
  });

  it('a skip that PostgreSQL has forgotten: its object is not moved either, and it is said why', async () => {
    const etag = (await world.deps.store.head({ key: await world.put(fileName(1), file(1)) }))?.etag ?? '';
    const moving = moveFiles(
      world.deps,
      { dataset: 'inc', files: [{ key: key(1), etag, to: 'skipped' }] },
      { signal: new AbortController().signal, provenance: {} },
    );
    await assert.rejects(moving, {
      kind: 'LedgerBehind',
      message: new RegExp(`^inc ${key(1)}: this run knows it to be skipped, and the ledger does not`),
    });
    assert.deepEqual(await world.keys(), [key(1)]);
  });

  it('other names, and files below the watermark, may lie in the archive', async () => {
    await world.put(fileName(3), file(3));
    await world.run();
    await world.put(`${inc.processedPrefix}${fileName(2)}`, file(2));
    await world.put(`${inc.processedPrefix}2026-03-01T00-09-00.0123abcd.csv`, 'beside');
    await world.put(`${inc.processedPrefix}notes.txt`, 'notes');
    assert.equal((await world.run()).applied, 0);
  });

  it('applied, and deleted before it was archived: said once, and no debt any more', async () => {
    await world.load(await world.put(fileName(1), file(1)));
    await world.remove(key(1));
    assert.equal(await debt(), 1);
    const result = await world.run();
    assert.deepEqual([result.archived, result.notMoved], [0, { total: 1, keys: [key(1)] }]);
    assert.deepEqual([await debt(), await notArchived()], [0, [{ key: key(1) }]]);
    assert.equal((await world.run()).notMoved.total, 0);
  });

  it('applied, and overwritten before it was archived: changed until it is skipped, and then no debt any more', async () => {
    await world.load(await world.put(fileName(1), file(1)));
    await world.put(fileName(1), file(9));
    assert.equal((await world.run()).changed.total, 1);
    assert.equal(await debt(), 1);
    assert.equal((await world.client('skip', 'inc', fileName(1), '--reason', 'other content')).status, 0);
    await world.run();
    assert.deepEqual([await debt(), await notArchived()], [0, [{ key: key(1) }]]);
    assert.deepEqual(await world.keys(), [inc.skippedPrefix + fileName(1)]);
  });
});
