import assert from 'node:assert/strict';
import type { Deps } from '../../src/activities/deps.ts';
import { BEGIN_MS } from '../../src/domain/slots.ts';
import type { Session } from '../../src/postgres/pool.ts';
import { lockDataset, recordSkip } from '../../src/postgres/skip.ts';
import { until } from '../support/faults/deadline.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

describe('small files, one round trip each', () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    // One for loads and one for questions beside them, so that each file finds what the one before it has left there.
    await world.limitPool(2);
  });
  afterEach(() => world.close());

  const put = (n: number, ...rows: Parameters<typeof incFile>[0]) => world.put(fileName(n), incFile(rows));
  const tickets = () =>
    world.db.query<{ id: string; title: string | null }>(
      `select ticket_id as id, title from tickets.inc order by 1`,
    );
  /** From now on, each round trip of a load by its kind, as it is begun. */
  const countTrips = (): readonly string[] => {
    const { pool } = world.deps;
    const trips: string[] = [];
    const counted = (session: Session): Session => ({
      ...session,
      roundTrip: (...all) => (trips.push('one'), session.roundTrip(...all)),
      roundTripLong: (...all) => (trips.push('last'), session.roundTripLong(...all)),
      roundTripOfTwo: (...all) => (trips.push('of two'), session.roundTripOfTwo(...all)),
    });
    Object.assign(world.deps, {
      pool: { ...pool, withSession: (signal, work) => pool.withSession(signal, (it) => work(counted(it))) },
    } satisfies Partial<Deps>);
    return trips;
  };

  it('whose turn it is not changes nothing, and leaves the connection as good as it was', async () => {
    await world.loadSmall(await put(2, { ticket_id: 'A', title: 'new' }));
    const { results } = await world.loadSmall(
      await put(1, { ticket_id: 'A', title: 'old' }, { ticket_id: 'B' }),
    );
    assert.deepEqual(results, [{ outcome: 'late' }]);
    assert.deepEqual(await tickets(), [{ id: 'A', title: 'new' }]);
    for (const n of [3, 4]) {
      const { results: next } = await world.loadSmall(await put(n, { ticket_id: `C${n}` }));
      assert.deepEqual(
        next.map((one) => one.outcome === 'applied' && [one.counts.read, one.counts.inserted]),
        [[1, 1]],
      );
    }
    assert.deepEqual(
      (await tickets()).map(({ id }) => id),
      ['A', 'C3', 'C4'],
    );
    assert.equal((await world.ledger()).length, 3);
  });

  it('that PostgreSQL refuses is for loadFile to say so of, once it is known to be its turn', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    await world.db.query(`alter table tickets.inc add constraint no_b check (ticket_id <> 'B')`);
    const key = await put(2, { ticket_id: 'B' });
    assert.deepEqual(await world.loadSmall(key), { results: [] });
    const remembered = () => world.db.query(`select kind from tickets.import_failures`);
    assert.deepEqual(await remembered(), []);
    await assert.rejects(world.load(key), { kind: 'ValueRefused' });
    assert.equal((await world.ledger()).length, 1);
    await world.db.query(`alter table tickets.inc drop constraint no_b`);
    assert.equal((await world.loadSmall(key)).results[0]?.outcome, 'applied');
  });

  it('comes to the same with more rows than leave the worker in one write', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    const rows = Array.from({ length: 40 }, (_, n) => ({ ticket_id: `T${n % 30}`, title: 'x'.repeat(1500) }));
    for (const [n, some] of [rows.slice(0, 5), rows].entries()) {
      const { results } = await world.loadSmall(await put(n + 2, ...some));
      assert.equal(results[0]?.outcome, 'applied');
    }
    const [, few, many] = await world.ledger();
    assert.deepEqual([few?.read, few?.inserted, few?.superseded], [5, 5, 0]);
    assert.deepEqual([many?.read, many?.inserted, many?.unchanged, many?.superseded], [40, 25, 5, 10]);
    assert.equal((await tickets()).length, 31);
  });

  it('begun behind another that PostgreSQL refuses then: the other is applied', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    await world.db.query(`alter table tickets.inc add constraint no_b check (ticket_id <> 'B')`);
    const keys = [await put(2, { ticket_id: 'C' }), await put(3, { ticket_id: 'B' })];
    keys.push(await put(4, { ticket_id: 'D' }));
    const { results, failure } = await world.loadSmall(...keys);
    assert.deepEqual([results.map(({ outcome }) => outcome), failure], [['applied'], undefined]);
    assert.deepEqual(
      (await tickets()).map(({ id }) => id),
      ['A', 'C'],
    );
    assert.equal((await world.ledger()).length, 2);
    await world.db.query(`alter table tickets.inc drop constraint no_b`);
    const { results: again } = await world.loadSmall(...keys.slice(1));
    assert.deepEqual(
      again.map(({ outcome }) => outcome),
      ['applied', 'applied'],
    );
  });

  it('begun behind another whose commit fails is not applied, and neither is the other', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    await world.db.query(`
      create function tickets.no_b() returns trigger language plpgsql as
        $$ begin if new.ticket_id = 'B' then raise sqlstate '23000'; end if; return null; end $$;
      create constraint trigger no_b after insert on tickets.inc deferrable initially deferred
        for each row execute function tickets.no_b()`);
    const keys = [await put(2, { ticket_id: 'B' }), await put(3, { ticket_id: 'C' })];
    const { results, failure } = await world.loadSmall(...keys);
    assert.deepEqual([results, failure?.kind], [[], 'ValueRefused']);
    assert.deepEqual(
      (await tickets()).map(({ id }) => id),
      ['A'],
    );
    await world.db.query(`drop trigger no_b on tickets.inc`);
    const { results: again } = await world.loadSmall(...keys);
    assert.deepEqual(
      again.map(({ outcome }) => outcome),
      ['applied', 'applied'],
    );
  });

  it('begun behind another, and not its turn, is rolled back, and what comes next is applied', async () => {
    const keys = await Promise.all([2, 1, 3].map((n) => put(n, { ticket_id: `T${n}` })));
    const { results } = await world.loadSmall(...keys);
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['applied', 'late', 'applied'],
    );
    assert.deepEqual(
      (await tickets()).map(({ id }) => id),
      ['T2', 'T3'],
    );
  });

  it('skipped by a person while PostgreSQL refuses it: the connection is not used again', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    await world.db.query(`
      create function tickets.no_b() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.5); raise sqlstate '23000'; end $$;
      create trigger no_b before insert on tickets.inc for each row execute function tickets.no_b()`);
    const key = await put(2, { ticket_id: 'B', title: 'x'.repeat(30_000) });
    const etag = (await world.deps.store.head({ key }))?.etag ?? '';
    const loading = world.loadSmall(key);
    await until('the load has the lock', async () => {
      const rows = await world.db.query(
        `select from tickets.dataset_state where dataset = 'inc' for update skip locked`,
      );
      return rows.length === 0;
    });
    await world.db.transaction(async (tx) => {
      await lockDataset(tx, 'inc');
      await recordSkip(tx, { dataset: 'inc', key, etag, reason: 'it is refused', who: 'the test' });
    });
    assert.deepEqual(await loading, { results: [{ outcome: 'replaced' }] });
    await world.db.query('drop trigger no_b on tickets.inc');
    const { results } = await world.loadSmall(await put(3, { ticket_id: 'C' }));
    assert.equal(results[0]?.outcome, 'applied');
  });

  it('begun behind another takes the time from there on to its commit', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    await world.db.query(`
      create function tickets.slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.2); return new; end $$;
      create trigger slow before insert on tickets.inc for each row execute function tickets.slow()`);
    const keys = await Promise.all([2, 3, 4].map((n) => put(n, { ticket_id: `T${n}` })));
    const { results } = await world.loadSmall(...keys);
    const seconds = results.map((one) => (one.outcome === 'applied' ? one.seconds : 0));
    assert.ok(seconds.length === 3 && seconds.every((it) => it >= 0.2), seconds.join());
  });

  it('begun behind another before the batch’s time was over is applied, and none behind it is begun', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    await world.db.query(`
      create function tickets.slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(new.title::float8); return new; end $$;
      create trigger slow before insert on tickets.inc for each row execute function tickets.slow()`);
    const over = BEGIN_MS / 1000 + 0.3;
    // While the first one waits the second is read, which then waits until the time is over.
    const keys = await Promise.all(
      [0.5, over, 0, 0].map((seconds, n) => put(n + 2, { ticket_id: `T${n}`, title: String(seconds) })),
    );
    const trips = countTrips();
    const { results, unfinished } = await world.loadSmall(...keys);
    assert.equal(trips.filter((one) => one === 'of two').length, 1);
    assert.deepEqual([results.map(({ outcome }) => outcome), unfinished], [['applied', 'applied'], true]);
    assert.deepEqual(
      (await tickets()).map(({ id }) => id),
      ['A', 'T0', 'T1'],
    );
  });

  it('goes with the commit of the one before it, where it is read by then', async () => {
    await world.loadSmall(await put(1, { ticket_id: 'A' }));
    const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => put(n + 2, { ticket_id: `T${n}` })));
    const trips = countTrips();
    const { results } = await world.loadSmall(...keys);
    assert.equal(results.filter(({ outcome }) => outcome === 'applied').length, 10);
    // One whose bytes are not there yet is not waited for, with the dataset's row locked.
    assert.ok(trips.includes('of two') && trips.length < 20, trips.join());
  });
});
