import assert from 'node:assert/strict';
import type { WorkflowFailedError } from '@temporalio/client';
import pg from 'pg';
import { inc } from '../../src/datasets/inc.ts';
import { readWatch } from '../../src/postgres/watch.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

const ticket = (id: string, cells: Cells = {}): Cells => ({ ticket_id: id, ...cells });
const BAD = ticket('T-bad', { mttr: 'hushhush soon' });
const full = (n: number): string => inc.changesPrefix + fileName(n);

/** What an operator sees: `status --json`. */
interface Status {
  readonly watermark: string | null;
  readonly rows: number;
  readonly pending: string[];
  readonly late: string[];
  readonly changed: string[];
  readonly future: string[];
  readonly failed: { key: string; kind: string; line: number | null; column: string | null }[];
  readonly archiveDebt: number;
}

describe('the states of a file', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  async function status(): Promise<Status> {
    const { stdout, stderr } = await world.client('status', 'inc', '--json');
    assert.equal(stderr, '');
    const [dataset] = (JSON.parse(stdout) as { datasets: Status[] }).datasets;
    assert.ok(dataset);
    return dataset;
  }

  async function failure(): Promise<{ message: string; type: string | null | undefined }> {
    try {
      await world.run();
    } catch (error) {
      const { message, type } = (error as WorkflowFailedError).cause as Error & { type?: string };
      return { message, type };
    }
    throw new Error('the run did not fail');
  }

  it('pending: loaded in order, however late it was put', async () => {
    await world.put(fileName(2), incFile([ticket('A', { priority: 'second' })]));
    await world.put(fileName(1), incFile([ticket('A', { priority: 'first' })]));
    assert.deepEqual((await status()).pending, [full(1), full(2)]);
    const result = await world.run();
    assert.equal(result.applied, 2);
    assert.equal((await readTable(world.db, inc)).get('A')?.['priority'], 'second');
    const after = await status();
    assert.deepEqual([after.pending, after.watermark, after.rows], [[], full(2), 1]);
  });

  it('poison third of five: two applied, three left, the failure names key, line and column; mended, it goes on', async () => {
    for (const n of [1, 2, 4, 5]) await world.put(fileName(n), incFile([ticket(`T${n}`)]));
    await world.put(fileName(3), incFile([ticket('T3'), BAD]));
    const { message, type } = await failure();
    assert.equal(type, 'RowsRejected');
    assert.match(message, new RegExp(`^inc ${full(3)} line 3 column mttr: 1 row rejected`));
    assert.deepEqual([...(await readTable(world.db, inc)).keys()].sort(), ['T1', 'T2']);
    const seen = await status();
    assert.deepEqual(seen.pending, [full(4), full(5)]);
    assert.deepEqual(
      seen.failed.map(({ key, kind, line, column }) => ({ key, kind, line, column })),
      [{ key: full(3), kind: 'RowsRejected', line: 3, column: 'mttr' }],
    );
    const rejects = await world.db.query(
      `select source_key, line::int, column_name from tickets.import_rejects`,
    );
    assert.deepEqual(rejects, [{ source_key: full(3), line: 3, column_name: 'mttr' }]);

    await world.put(fileName(3), incFile([ticket('T3')]));
    assert.equal((await world.run()).applied, 3);
    assert.deepEqual((await status()).failed, []);
  });

  it('poison third of five: after skip the next run goes on, the file in skipped/, the watermark unmoved by it', async () => {
    for (const n of [1, 2, 4, 5]) await world.put(fileName(n), incFile([ticket(`T${n}`)]));
    await world.put(fileName(3), incFile([BAD]));
    await failure();
    const skipped = await world.client('skip', 'inc', full(3), '--reason', 'exporter defect 7');
    assert.deepEqual([skipped.status, skipped.stderr], [0, '']);
    assert.equal((await status()).watermark, full(2));
    assert.equal((await world.run()).applied, 2);
    assert.deepEqual(await world.keys(inc.skippedPrefix), [inc.skippedPrefix + fileName(3)]);
    const [row] = (await world.ledger()).filter(({ type }) => type === 'skipped');
    assert.equal(row?.key, full(3));
    assert.equal(row?.metadata['reason'], 'exporter defect 7');
  });

  it('failed: not read again until it changes', async () => {
    await world.put(fileName(1), incFile([BAD]));
    await failure();
    const first = await world.db.query(`select attempts, last_at from tickets.import_failures`);
    const again = await failure();
    assert.equal(again.type, 'RowsRejected');
    assert.match(again.message, /line 2 column mttr/);
    assert.deepEqual(await world.db.query(`select attempts, last_at from tickets.import_failures`), first);
  });

  it('failed: a run that listed before the refusal does not load what stands behind it', async () => {
    await world.putAndLoad(fileName(1), incFile([ticket('A')]));
    await assert.rejects(world.putAndLoad(fileName(2), incFile([BAD])));
    const behind = await world.putAndLoad(fileName(3), incFile([ticket('C')]));
    assert.equal(behind.outcome, 'late');
    assert.equal((await world.ledger()).length, 1);
  });

  describe('a truncated baseline', () => {
    const CUT = { ticket_id: 'EXPORT STOPPED: limit' };
    beforeEach(async () => {
      await world.putAndLoad(fileName(1), incFile([CUT, ticket('A')]));
    });

    /** As `status` has it, and as the alert has it. */
    async function reported(): Promise<readonly unknown[]> {
      const [row] = await world.db.query<{ truncated: boolean }>(
        `select truncated from tickets.dataset_status where dataset = 'inc'`,
      );
      const [watch] = await readWatch(world.deps.pool, ['inc']);
      return [row?.truncated, watch?.truncated];
    }
    const cut = [true, [{ key: full(1), exportType: 'baseline' }]];

    it('stays reported, whatever deltas come', async () => {
      await world.putAndLoad(fileName(2), incFile([ticket('B')]));
      await world.run();
      assert.deepEqual(await reported(), cut);
    });

    it('stays reported until it is loaded again, whole', async () => {
      for (const [rows, expected] of [
        [[CUT, ticket('A'), ticket('B')], cut],
        [
          [ticket('A'), ticket('B'), ticket('C')],
          [false, []],
        ],
      ] as const) {
        await world.put(fileName(1), incFile([...rows]));
        const { status, stderr } = await world.client('reload', 'inc', fileName(1), '--reason', 'r', '--yes');
        assert.deepEqual([status, stderr], [0, '']);
        assert.deepEqual(await reported(), expected);
      }
    });

    it('stays reported until a rebuild from a later file that has all tickets and is whole', async () => {
      await world.putAndLoad(fileName(2), incFile([CUT, ticket('A'), ticket('B')]));
      await world.putAndLoad(fileName(3), incFile([ticket('A'), ticket('B'), ticket('C')]));
      await world.rebuildWork();
      const rebuild = (...args: string[]) =>
        world.client('rebuild', 'inc', '--reason', 'r', '--yes', '--wait', ...args);
      for (const [args, expected] of [
        [['--from', fileName(2), '--remove', '--remove-incomplete'], true],
        [['--from', fileName(3), '--remove'], false],
      ] as const) {
        const { status, stderr } = await rebuild(...args);
        assert.deepEqual([status, stderr], [0, ''], args.join(' '));
        const [truncated, alerts] = await reported();
        assert.deepEqual([truncated, JSON.stringify(alerts).includes('baseline')], [expected, expected]);
      }
    });
  });

  it('the ledger is asked by its index, however many deeds it holds', async () => {
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       select 'inc', 'automations/inc/changes/old-' || n, 'skipped', '{}' from generate_series(1, 50000) n`,
    );
    await world.db.query(`analyze tickets.import_meta`);
    const plan = await world.db.query<{ 'QUERY PLAN': string }>(
      `explain select from tickets.import_meta where dataset = 'inc' and source_key = 'x' order by id desc limit 1`,
    );
    assert.match(plan.map((row) => row['QUERY PLAN']).join(' '), /import_meta_by_key/);
  });

  it('failed: read again once the dataset is defined otherwise', async () => {
    await world.put(fileName(1), incFile([BAD]));
    await failure();
    const { columns } = inc;
    const lenient = {
      ...inc,
      columns: { ...columns, mttr: { type: 'numeric', onInvalid: 'null' } },
    } as const;
    Object.assign(world.deps, { datasets: [lenient] });
    assert.equal((await world.run()).applied, 1);
  });

  it('late: held and reported, in status and in the result', async () => {
    await world.put(fileName(2), incFile([ticket('A')]));
    await world.run();
    await world.put(fileName(1), incFile([ticket('B')]));
    const result = await world.run();
    assert.deepEqual([result.applied, result.late], [0, { total: 1, keys: [full(1)] }]);
    assert.deepEqual((await status()).late, [full(1)]);
    assert.deepEqual(await world.keys(inc.changesPrefix), [full(1)]);
  });

  it('late, where the dataset applies them: a newer stored row wins, and the watermark does not move', async () => {
    const applying = await openWorld([{ ...inc, latePolicy: 'apply' }]);
    const at = (time: string): Cells => ({ updated_at: time });
    try {
      await applying.put(
        fileName(2),
        incFile([
          ticket('A', at('2026-02-02 10:00:00')),
          ticket('B', at('2026-02-01 10:00:00')),
          ticket('N'),
        ]),
      );
      await applying.run();
      await applying.put(
        fileName(1),
        incFile([
          ticket('A', { ...at('2026-02-01 10:00:00'), priority: 'older' }),
          ticket('B', { ...at('2026-02-02 10:00:00'), priority: 'newer' }),
          ticket('C', at('2026-02-01 10:00:00')),
          ticket('N', { ...at('2026-02-01 10:00:00'), priority: 'dated' }),
        ]),
      );
      // Nobody has to decide about it: no alert, and no row in the run's details.
      const { watermark, late } = await applying.run();
      assert.deepEqual([watermark, late.total], [full(2), 0]);
      const told = `select late_total::int from tickets.dataset_status where dataset = 'inc'`;
      assert.deepEqual(await applying.db.query(told), [{ late_total: 0 }]);
      const table = await readTable(applying.db, inc);
      const priorities = ['A', 'B', 'C', 'N'].map((id) => table.get(id)?.['priority']);
      assert.deepEqual(priorities, ['hushhush priority', 'newer', 'hushhush priority', 'dated']);
      const row = (await applying.ledger()).at(-1);
      assert.deepEqual([row?.type, row?.inserted, row?.updated, row?.stale], ['late', 1, 2, 1]);
    } finally {
      await applying.close();
    }
  });

  it('changed: an applied key with other content is left alone and reported; the same content again is archived', async () => {
    const applied = incFile([ticket('A')]);
    await world.put(fileName(1), applied);
    await world.run();
    await world.put(fileName(1), incFile([ticket('A', { priority: 'other' })]));
    const result = await world.run();
    assert.deepEqual([result.applied, result.changed], [0, { total: 1, keys: [full(1)] }]);
    assert.deepEqual((await status()).changed, [full(1)]);
    await world.put(fileName(1), applied);
    assert.equal((await world.run()).archived, 1);
    assert.deepEqual(await world.keys(inc.changesPrefix), []);
  });

  it('uploaded again with the same bytes, where nothing is archived: read once, and applied for everybody', async () => {
    const keeping = await openWorld([{ ...inc, archive: false }]);
    try {
      const { store } = keeping.deps;
      let reads = 0;
      const read: typeof store.read = (input) => {
        reads += 1;
        return store.read(input);
      };
      Object.assign(keeping.deps, { store: { ...store, read } });
      const bytes = incFile([ticket('A')]);
      await keeping.put(fileName(1), bytes);
      await keeping.run();
      await keeping.putInParts(fileName(1), bytes);
      reads = 0;
      for (let n = 0; n < 2; n += 1) assert.equal((await keeping.run()).changed.total, 0);
      assert.equal(reads, 1);
      const { stdout } = await keeping.client('status', 'inc', '--json');
      const [{ changed, failed }] = (JSON.parse(stdout) as { datasets: [Status] }).datasets;
      assert.deepEqual([changed, failed], [[], []]);
      await keeping.remove(full(1));
      const skipped = await keeping.client('skip', 'inc', fileName(1), '--reason', 'gone');
      assert.deepEqual(
        [skipped.status, skipped.stderr],
        [1, `tidemark: ${full(1)} is applied and archived: there is nothing to skip\n`],
      );
      await keeping.put(fileName(1), incFile([ticket('A', { priority: 'other' })]));
      assert.equal((await keeping.run()).changed.total, 1);
    } finally {
      await keeping.close();
    }
  });

  it('freshness: a stamp is of Nairobi, whatever hours the reader’s own zone skips', async () => {
    const stamp = `${inc.changesPrefix}2026-03-29T02-30-00.csv`;
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       values ('inc', $1, 'adopted', jsonb_build_object('source_max_key', $1::text))`,
      [stamp],
    );
    await world.db.query(`insert into tickets.dataset_state (dataset) values ('inc') on conflict do nothing`);
    const reader = new pg.Client({
      connectionString: world.env['DATABASE_URL'],
      options: '-c timezone=Europe/Berlin',
    });
    await reader.connect();
    try {
      const { rows } = await reader.query<{ off: number }>(
        `select round(freshness_seconds - extract(epoch from clock_timestamp()
           - timestamptz '2026-03-29 02:30:00+03'))::int as off
         from tickets.dataset_status where dataset = 'inc'`,
      );
      assert.deepEqual(rows, [{ off: 0 }]);
    } finally {
      await reader.end();
    }
  });

  it('covered: at or below a watermark adopted from another loader, left and counted', async () => {
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       values ('inc', $1, 'adopted', jsonb_build_object('source_max_key', $1::text))`,
      [full(2)],
    );
    for (const n of [1, 2, 3]) await world.put(fileName(n), incFile([ticket(`T${n}`)]));
    const result = await world.run();
    assert.deepEqual([result.applied, result.covered, result.late.total], [1, 2, 0]);
    assert.deepEqual(await world.keys(inc.changesPrefix), [full(1), full(2)]);
    assert.equal((await world.ledger()).at(-1)?.type, 'delta');
  });

  it('future: a stamp beyond S3 its own clock is left and reported, and makes no later file late', async () => {
    const name = '2999-01-01T00-00-00.csv';
    await world.put(name, incFile([ticket('F')]));
    await world.put(fileName(1), incFile([ticket('A')]));
    const result = await world.run();
    assert.deepEqual([result.applied, result.future.keys], [1, [inc.changesPrefix + name]]);
    assert.deepEqual((await status()).future, [inc.changesPrefix + name]);
    assert.equal(result.watermark, full(1));
  });

  it('vanished: listed, gone when read, unknown to the ledger: stops the dataset until skip', async () => {
    const key = await world.put(fileName(1), incFile([ticket('A')]));
    await world.put(fileName(2), incFile([ticket('B')]));
    const read = world.deps.store.read;
    const vanishing = { ...world.deps.store, read: vanishBefore(key, read) };
    Object.assign(world.deps, { store: vanishing });
    const { type, message } = await failure();
    assert.equal(type, 'FileVanished');
    assert.match(message, new RegExp(`${full(1)}.*skip`));
    assert.equal((await failure()).type, 'FileVanished');
    assert.deepEqual(
      (await status()).failed.map((f) => [f.key, f.kind]),
      [[full(1), 'FileVanished']],
    );
    assert.equal((await world.client('skip', 'inc', fileName(1), '--reason', 'lost for good')).status, 0);
    assert.equal((await world.run()).applied, 1);

    function vanishBefore(gone: string, real: typeof read): typeof read {
      return async (input) => {
        if (input.key === gone) await world.remove(gone);
        return real(input);
      };
    }
  });

  it('failed, then its object deleted by hand: no later file slips over the gap', async () => {
    const key = await world.put(fileName(1), incFile([BAD]));
    await failure();
    await world.remove(key);
    await world.put(fileName(2), incFile([ticket('B')]));
    const { type, message } = await failure();
    assert.equal(type, 'FileVanished');
    assert.match(message, /refused, and its object is gone.*tidemark skip inc automations/);
    assert.deepEqual(await world.ledger(), []);
  });

  it('applied but not archived, the copy made or not: the next run finishes the move and loads nothing', async () => {
    const bare = await world.put(fileName(1), incFile([ticket('A')]));
    await world.load(bare);
    const copied = await world.put(fileName(2), incFile([ticket('B')]));
    await world.load(copied);
    await world.put(inc.processedPrefix + fileName(2), incFile([ticket('B')]));
    const moved = await world.put(fileName(3), incFile([ticket('C')]));
    await world.load(moved);
    await world.put(inc.processedPrefix + fileName(3), incFile([ticket('C')]));
    await world.remove(moved);
    assert.equal((await status()).archiveDebt, 3);
    const result = await world.run();
    assert.deepEqual([result.applied, result.archived], [0, 3]);
    const after = await status();
    assert.deepEqual([after.archiveDebt, await world.keys(inc.changesPrefix)], [0, []]);
  });

  it('an archive that has other bytes under the name keeps them; ours go beside it', async () => {
    await world.put(inc.processedPrefix + fileName(1), 'somebody else');
    await world.put(fileName(1), incFile([ticket('A')]));
    await world.run();
    assert.equal((await world.content(inc.processedPrefix + fileName(1))).toString(), 'somebody else');
    assert.equal((await world.keys(inc.processedPrefix)).length, 2);
    assert.deepEqual(await world.keys(inc.changesPrefix), []);
  });

  it('ignored: names that are no real time, folders and foreign objects are counted and left', async () => {
    const names = [
      '2026-02-30T10-00-00.csv',
      '2026-01-01T24-00-00.csv',
      'notes.txt',
      'full/',
      'old/2026-01-01T00-00-00.csv',
    ];
    for (const name of names) await world.put(inc.changesPrefix + name, '');
    const result = await world.run();
    assert.deepEqual([result.ignored, result.applied], [names.length, 0]);
    assert.equal((await world.keys(inc.changesPrefix)).length, names.length);
  });

  it('settling: a dataset with a settle time waits for a young file, and everything after it waits too', async () => {
    const waiting = await openWorld([{ ...inc, settleMs: 3_600_000 }]);
    try {
      await waiting.put(fileName(1), incFile([ticket('A')]));
      assert.equal((await waiting.run()).applied, 0);
      assert.deepEqual(await waiting.ledger(), []);
    } finally {
      await waiting.close();
    }
  });
});
