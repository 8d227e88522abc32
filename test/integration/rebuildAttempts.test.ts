import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

/** More than is held in memory. */
const LARGE = Array.from({ length: 400 }, (_unused, n) => ({ ticket_id: `L${n}`, title: 'x'.repeat(1_000) }));

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
});
