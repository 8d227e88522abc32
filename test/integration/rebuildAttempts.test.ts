import assert from 'node:assert/strict';
import type { WorkflowFailedError } from '@temporalio/client';
import { applyRebuild } from '../../src/activities/applyRebuild.ts';
import { beginRebuild } from '../../src/activities/beginRebuild.ts';
import { buildFiles } from '../../src/activities/buildFiles.ts';
import { compareRebuild, dropRebuild, keepRebuild } from '../../src/activities/compareRebuild.ts';
import type { Deps } from '../../src/activities/deps.ts';
import type { RebuildInput } from '../../src/activities/rebuildInterface.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { inc } from '../../src/datasets/inc.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { createPool } from '../../src/postgres/pool.ts';
import type { Queryable } from '../../src/postgres/queryable.ts';
import { askRebuild, type RebuildRequest } from '../../src/postgres/rebuildRecord.ts';
import { actAsRebuilder } from '../../src/postgres/rebuildTable.ts';
import { beginAhead, outlastAhead } from '../../src/postgres/writeAhead.ts';
import { until } from '../support/faults/deadline.ts';
import { holdLoads } from '../support/faults/postgresGate.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { rebuilderUrl } from '../support/shared.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

/** An attempt of the run that has begun the rebuild. */
const OURS = { signal: new AbortController().signal, provenance: { workflow_id: 'w', run_id: 'ours' } };

/** More than is held in memory. */
const LARGE = Array.from({ length: 400 }, (_unused, n) => ({ ticket_id: `L${n}`, title: 'x'.repeat(1_000) }));

/** One that leaves regions as they are written. */
const OTHER: readonly Dataset[] = [{ ...inc, columns: { ...inc.columns, region: { type: 'text' } } }];

describe('a rebuild whose attempts are disturbed', function () {
  this.timeout(180_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  /** Files of these rows, loaded in order. */
  async function load(...files: readonly (readonly Cells[])[]): Promise<void> {
    const before = (await world.ledger()).length;
    for (const [n, rows] of files.entries()) await world.putAndLoad(fileName(before + n + 1), incFile(rows));
  }

  async function state(): Promise<string | undefined> {
    const [row] = await world.db.query<{ state: string }>(
      'select state from tickets.rebuilds order by id desc limit 1',
    );
    return row?.state;
  }

  async function reached(wanted: string): Promise<void> {
    while ((await state()) !== wanted) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  it('catches up with a small file and a large one, on a connection that has staged nothing yet', async () => {
    await load([{ ticket_id: 'A' }]);
    const first = await world.rebuildWork();
    const handle = await world.startRebuild({});
    await reached('compared');
    first.shutdown();
    await load([{ ticket_id: 'B' }], LARGE);
    const good = await readTable(world.db, inc);
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'A'`);
    await world.rebuildWork();
    await handle.signal('decide', true);
    const { outcome, updated } = await handle.result();
    assert.deepEqual([outcome, updated], ['applied', 1]);
    assert.equal((await world.ledger()).at(-1)?.metadata['files'], 3);
    assert.deepEqual(await readTable(world.db, inc), good);
  });

  it('fails where its rebuilder comes back with another definition; the next one goes by that', async () => {
    await load([{ ticket_id: 'A', region: 'coast' }]);
    const first = await world.rebuildWork();
    const handle = await world.startRebuild({});
    await reached('compared');
    first.shutdown();
    await world.rebuildWork(OTHER);
    await handle.signal('decide', true);
    await assert.rejects(handle.result(), (error: WorkflowFailedError) =>
      /another definition of the dataset/.test(error.cause?.message ?? ''),
    );
    assert.equal(await state(), 'dropped');
    const { updated } = await (await world.startRebuild({ agreed: true })).result();
    const regions = await world.db.query('select region from tickets.inc');
    assert.deepEqual([updated, regions], [1, [{ region: 'coast' }]]);
  });

  describe('of activities called by hand', () => {
    let deps: Deps;
    beforeEach(() => {
      const pool = createPool(parseDatabaseUrl(rebuilderUrl(world.shared.stack, world.name)), 4);
      deps = { ...world.deps, pool };
    });
    afterEach(() => deps.pool.end());

    async function ask(wanted: Partial<RebuildRequest> = {}): Promise<RebuildInput> {
      const request = { dataset: 'inc', removes: false, who: 'me', reason: 'looks wrong', ...wanted };
      return { dataset: 'inc', rebuild: await askRebuild(world.deps.pool, request) };
    }

    /** Three tickets, one of them edited, and a rebuild of them that is built. */
    async function build(wanted: Partial<RebuildRequest> = {}): Promise<RebuildInput> {
      await load([{ ticket_id: 'A' }, { ticket_id: 'B' }], [{ ticket_id: 'C' }]);
      await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'A'`);
      const input = await ask(wanted);
      await beginRebuild(deps, input, OURS);
      await buildFiles(deps, input, OURS);
      return input;
    }

    async function compared(): Promise<RebuildInput> {
      const input = await build();
      await compareRebuild(deps, input, OURS);
      return input;
    }

    /** Waits until so many sessions wait for a lock. */
    async function waiting(sessions: number, db: Queryable = world.db): Promise<void> {
      await until(`${sessions} sessions wait`, async () => {
        await db.query('select pg_stat_clear_snapshot()');
        const [row] = await db.query<{ n: number }>(
          `select count(distinct pid)::int as n from pg_locks where not granted
             and pid in (select pid from pg_stat_activity where datname = current_database())`,
        );
        return row?.n === sessions;
      });
    }

    it('two attempts to apply at once: one writes, and both say what was written', async () => {
      const input = await compared();
      const held = await holdLoads({ databaseUrl: world.ownerUrl, step: 'lock', key: '' });
      const attempts = [applyRebuild(deps, input, OURS), applyRebuild(deps, input, OURS)];
      await waiting(2);
      await held.release();
      const [first, second] = await Promise.all(attempts);
      assert.deepEqual([first?.outcome, second], ['applied', first]);
      assert.equal((await world.ledger()).filter(({ type }) => type === 'rebuilt').length, 1);
    });

    it('two attempts to keep at once: both say what was kept', async () => {
      const input = await build({ asOf: inc.changesPrefix + fileName(2) });
      const attempts = await world.db.transaction(async (tx) => {
        await tx.query('select from tickets.rebuilds for update');
        const both = [keepRebuild(deps, input, OURS), keepRebuild(deps, input, OURS)];
        for (const one of both) one.catch(() => undefined);
        await waiting(2, tx);
        return { both };
      });
      const [first, second] = await Promise.all(attempts.both);
      assert.deepEqual([first?.rows, second], [3, first]);
      assert.equal(await state(), 'kept');
    });

    it('keeps a table for nobody else where policies say who sees which rows of the live one', async () => {
      const input = await build({ asOf: inc.changesPrefix + fileName(2) });
      await world.db.query(`grant select on tickets.inc to tidemark_reader`);
      await world.db.query('alter table tickets.inc enable row level security');
      const kept = await keepRebuild(deps, input, OURS);
      assert.equal(kept.grants, 'withheld');
      assert.deepEqual(await keepRebuild(deps, input, OURS), kept);
      const granted = await world.db.query(
        `select grantee from information_schema.role_table_grants where table_schema = 'tickets_rebuild'
           and grantee <> 'tidemark_rebuilder'`,
      );
      assert.deepEqual(granted, []);
    });

    it('a drop beside an apply that is about to commit leaves it applied', async () => {
      const input = await compared();
      const held = await holdLoads({ databaseUrl: world.ownerUrl, step: 'commit', key: fileName(1) });
      const applying = applyRebuild(deps, input, OURS);
      await held.reached();
      const dropping = dropRebuild(deps, input, OURS);
      await waiting(2);
      await held.release();
      await Promise.all([applying, dropping]);
      assert.equal(await state(), 'applied');
    });

    it('another run, or another dataset, drops nothing', async () => {
      const input = await compared();
      await dropRebuild(deps, input, { ...OURS, provenance: { run_id: 'another' } });
      await dropRebuild(deps, { ...input, dataset: 'crq' }, OURS);
      assert.equal(await state(), 'compared');
      await dropRebuild(deps, input, OURS);
      assert.equal(await state(), 'dropped');
    });

    it('refuses once another loader’s deeds were taken over, also behind files that were merged since', async () => {
      const input = await compared();
      await world.db.query(
        `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
         values ('inc', $1, 'adopted', jsonb_build_object('source_max_key', $1::text))`,
        [inc.changesPrefix + fileName(5)],
      );
      await world.putAndLoad(fileName(6), incFile([{ ticket_id: 'D' }]));
      const refused = {
        kind: 'BadRequest',
        message: /what another loader did up to \S+00-05-00\.csv is not known/,
      };
      await assert.rejects(applyRebuild(deps, input, OURS), refused);
      await buildFiles(deps, input, OURS);
      await assert.rejects(compareRebuild(deps, input, OURS), refused);
    });

    describe('with another definition of the dataset than it began with', () => {
      const other = (): Deps => ({ ...deps, datasets: OTHER });
      const refused = {
        kind: 'BadRequest',
        message:
          'inc: this rebuild began with another definition of the dataset; nothing was changed. ' +
          'Ask for a new one: tidemark rebuild inc --reason TEXT',
      };

      it('refuses to read a file, to compare and to apply; with the first one again it goes on', async () => {
        await load([{ ticket_id: 'A' }]);
        const good = await readTable(world.db, inc);
        await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'A'`);
        const input = await ask();
        await beginRebuild(deps, input, OURS);
        await assert.rejects(buildFiles(other(), input, OURS), refused);
        await buildFiles(deps, input, OURS);
        await assert.rejects(compareRebuild(other(), input, OURS), refused);
        await compareRebuild(deps, input, OURS);
        await assert.rejects(applyRebuild(other(), input, OURS), refused);
        // As a process that was started anew has it.
        const again = { ...deps, datasets: structuredClone(deps.datasets) };
        const applied = await applyRebuild(again, input, OURS);
        assert.deepEqual(await readTable(world.db, inc), good);
        // What is committed is not refused any more.
        assert.deepEqual(await applyRebuild(other(), input, OURS), applied);
      });

      it('refuses to keep a table', async () => {
        const input = await build({ asOf: inc.changesPrefix + fileName(2) });
        await assert.rejects(keepRebuild(other(), input, OURS), refused);
        const kept = await keepRebuild(deps, input, OURS);
        assert.deepEqual(await keepRebuild(other(), input, OURS), kept);
      });
    });

    it('waits for who writes ahead without the dataset’s lock, once he was in the way', async () => {
      const input = await compared();
      let applying: Promise<unknown> = Promise.resolve();
      await world.deps.pool.withSession(undefined, async (session) => {
        await beginAhead(session, inc);
        applying = applyRebuild(deps, input, { ...OURS, number: 2 });
        await waiting(1);
        await world.db.query('select from tickets.dataset_state for update nowait');
        await session.query('rollback');
      });
      await applying;
      assert.equal(await state(), 'applied');
    });

    it('names the session of who writes ahead and may not be ended', async () => {
      await world.deps.pool.withSession(undefined, async (session) => {
        await beginAhead(session, inc);
        const [own] = await session.query<{ pid: number }>('select pg_backend_pid() as pid');
        await deps.pool.withSession(undefined, async (other) => {
          await actAsRebuilder(other);
          await assert.rejects(outlastAhead(other, inc, 100), {
            kind: 'PostgresBusy',
            message: new RegExp(
              `^inc: the session with pid ${own?.pid} is writing .*backend\\(${own?.pid}\\)$`,
            ),
          });
        });
        await session.query('rollback');
      });
    });
  });
});
