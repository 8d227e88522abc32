import assert from 'node:assert/strict';
import { findOrBegin, type RebuildRun, type WantedRebuild } from '../../src/client/openRebuild.ts';
import type { Servers } from '../../src/client/servers.ts';
import { inc } from '../../src/datasets/inc.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { openDatabase, type Database } from '../../src/postgres/database.ts';
import { holdLoads } from '../support/faults/postgresGate.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { onTerminal } from '../support/onTerminal.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const WANTED: WantedRebuild = {
  from: undefined,
  asOf: undefined,
  removes: false,
  agreed: false,
  removesMany: false,
  removesIncomplete: false,
  request: { who: 'me', reason: 'looks wrong' },
};
const WHY = ['--reason', 'looks wrong', '--yes', '--wait'];

describe('who rebuilds what is being rebuilt', function () {
  this.timeout(120_000);
  let world: World;
  let db: Database;
  beforeEach(async () => {
    world = await openWorld([{ ...inc, minBaselineRows: 2 }]);
    db = openDatabase(parseDatabaseUrl(world.env['DATABASE_URL'] ?? ''));
    const files: readonly (readonly Cells[])[] = [
      ['A', 'B', 'C', 'D', 'E', 'F'].map((ticket_id) => ({ ticket_id })),
      ['A', 'B', 'C'].map((ticket_id) => ({ ticket_id, priority: 'P2' })),
      [{ ticket_id: 'A' }],
    ];
    for (const [n, rows] of files.entries()) await world.putAndLoad(fileName(n + 1), incFile(rows));
  });
  afterEach(async () => {
    await db.end();
    await world.close();
  });

  /** Begins one as the verb does of which nobody has agreed to. */
  function begin(wanted: Partial<WantedRebuild> = {}): Promise<RebuildRun> {
    const servers = { db, config: { taskQueue: world.name } } as Servers;
    return findOrBegin(servers, world.shared.temporal, inc, { ...WANTED, ...wanted });
  }

  async function states(): Promise<readonly string[]> {
    const rows = await world.db.query<{ state: string }>('select state from tickets.rebuilds order by id');
    return rows.map(({ state }) => state);
  }

  it('two that start in the same moment: one starts, the other attaches, and one request is left', async () => {
    const [first, second] = await Promise.all([begin(), begin()]);
    assert.equal(first.id, second.id);
    assert.notEqual(first.attached, second.attached);
    assert.deepEqual(await states(), ['asked']);
    await world.rebuildWork();
    await first.handle.signal('decide', false);
    assert.equal((await second.handle.result()).outcome, 'dropped');
  });

  it('attached with --yes it agrees; with other options it is refused, and told how to follow the open one', async () => {
    const open = await begin({ from: full(2) });
    const refused = await world.client('rebuild', 'inc', ...WHY, '--remove');
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      /^tidemark: another rebuild of inc is open, number 1: --from \S+T00-02-00\.csv\.\nTo follow it: tidemark rebuild inc --from \S+T00-02-00\.csv --reason TEXT\nTo give it up: temporal/,
    );
    const asOf = await world.client('rebuild', 'inc', '--from', fileName(2), '--as-of', fileName(3), ...WHY);
    assert.match(asOf.stderr, /another rebuild of inc is open/);
    assert.deepEqual(await states(), ['asked']);
    await world.rebuildWork();
    const yes = await world.client('rebuild', 'inc', '--from', fileName(2), ...WHY);
    assert.deepEqual([yes.status, yes.stderr], [0, '']);
    assert.match(yes.stdout, /^attached to the open rebuild rebuild-inc, number 1\n/);
    assert.equal((await open.handle.result()).outcome, 'applied');
  });

  it('Ctrl-C at the question leaves it alone; another’s yes ends the question', async () => {
    await world.rebuildWork();
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'B'`);

    const left = await onTerminal(world, '\u0003');

    assert.deepEqual([left.status, await states()], [3, ['compared']]);
    assert.match(
      left.said,
      /no answer: the rebuild is left alone.* To go on: tidemark rebuild inc --reason TEXT/,
    );
    const { handle } = await begin();
    const asked = await onTerminal(world, () => handle.signal('decide', true));
    assert.deepEqual([asked.status, await states()], [0, ['applied']]);
    assert.match(asked.said, /attached to [^]*Go on\?[^]*tickets\.inc: inserted 0, updated 1, removed 0/);
  });

  it('Ctrl-C before the question detaches: the rebuild goes on, and how to come back is said', async () => {
    const left = await onTerminal(world, '\u0003', `rebuild inc --from ${fileName(2)}`, 'started ');

    assert.deepEqual([left.status, await states()], [130, ['asked']]);
    const said = left.said.replaceAll('\r', '');
    assert.match(
      said,
      /detached; the rebuild goes on\.\n  reattach:  (.+)\n  cancel:    temporal workflow cancel --workflow-id rebuild-inc\n$/,
    );
    const reattach = /reattach:  tidemark (rebuild inc .*) --reason TEXT\n/.exec(said)?.[1];
    await world.rebuildWork();
    const back = await onTerminal(world, 'n\n', reattach);
    assert.deepEqual([back.status, await states()], [3, ['dropped']]);
    assert.match(back.said, /^attached to the open rebuild rebuild-inc, number 1/m);
  });

  it('a no that comes after another’s yes is told what was written', async () => {
    await world.rebuildWork();
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'B'`);
    const { handle } = await begin();
    const told = await onTerminal(world, async (type) => {
      const held = await holdLoads({ databaseUrl: world.ownerUrl, step: 'lock', key: '' });
      await handle.signal('decide', true);
      await held.reached();
      type('n\n');
      const signals = async (): Promise<number> =>
        ((await handle.fetchHistory()).events ?? []).filter(
          ({ workflowExecutionSignaledEventAttributes: signal }) => signal,
        ).length;
      while ((await signals()) < 2) await new Promise((resolve) => setTimeout(resolve, 50));
      await held.release();
    });
    assert.deepEqual([told.status, await states()], [1, ['applied']]);
    assert.match(
      told.said,
      /inserted 0, updated 1, removed 0[^]*somebody had agreed to it before: what differs was/,
    );
  });

  it('removes more than a fifth of the tickets only where somebody has seen it, or says so', async () => {
    await world.rebuildWork();
    const args = ['rebuild', 'inc', '--from', fileName(2), ...WHY, '--remove'];
    const refused = await world.client(...args);
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      /inc: 3 of 6 tickets would be removed, more than a fifth; nothing was changed\. Look/,
    );
    const asked = await begin({ from: full(2), removes: true });
    await asked.handle.signal('decide', true);
    assert.equal((await asked.handle.result()).removed, 3);
    await world.db.query(
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at)
       values ('X', '', 0, now()), ('Y', '', 0, now())`,
    );
    const many = await world.client(...args, '--remove-many');
    assert.deepEqual([many.status, many.stderr], [0, '']);
    assert.match(many.stdout, /removed 2\n$/);
  });

  it('begins with the newest baseline, not with a file that an earlier one only began with', async () => {
    await world.rebuildWork();
    const small = await (await world.startRebuild({ from: full(2), agreed: true })).result();
    assert.deepEqual([small.from, small.difference?.extra], [full(2), 3]);
    const next = await (await world.startRebuild({ agreed: true })).result();
    assert.deepEqual([next.from, next.difference?.extra], [full(1), 0]);
    const tooSmall = await world.client('rebuild', 'inc', '--from', fileName(3), ...WHY);
    assert.match(
      tooSmall.stderr,
      /it has 1 rows, and a baseline of the dataset at least 2 \(minBaselineRows\)/,
    );
  });
});
