import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

/** docs/cli.md, "Verbs that act": what they do without a terminal and without `--yes`. */
describe('a verb that acts, without a terminal and without --yes', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await openWorld();
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(1), incFile([{ ticket_id: 'B' }]));
  });
  after(() => world.close());

  for (const [verb, ...args] of [
    ['apply-late', 'inc', fileName(1)],
    ['reload', 'inc', fileName(2)],
    ['watermark', 'set', 'inc', fileName(3)],
  ] as const) {
    it(`${verb} does nothing, and says what would`, async () => {
      const before = [await world.ledger(), await world.keys()];
      const { status, stdout, stderr } = await world.client(verb, ...args, '--reason', 'a test');
      assert.deepEqual([status, stdout], [3, '']);
      assert.match(stderr, /There is no terminal to ask on: nothing was done\. To do it: --yes\n$/);
      assert.deepEqual([await world.ledger(), await world.keys()], before);
    });
  }

  it('skip goes on', async () => {
    const { status, stderr } = await world.client('skip', 'inc', fileName(1), '--reason', 'a test');
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(await world.keys(inc.skippedPrefix), [inc.skippedPrefix + fileName(1)]);
  });

  it('schedule delete goes on', async () => {
    await world.client('schedule', 'apply', 'inc');
    const { status, stdout, stderr } = await world.client('schedule', 'delete', 'inc');
    assert.deepEqual([status, stdout, stderr], [0, 'deleted ingest-inc\n', '']);
    const { status: again } = await world.client('schedule', 'delete', 'inc');
    assert.equal(again, 1);
  });
});
