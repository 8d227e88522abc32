import assert from 'node:assert/strict';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

describe('a small file, in one round trip up to its merge', () => {
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
});
