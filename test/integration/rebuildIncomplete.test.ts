import assert from 'node:assert/strict';
import postgres from 'postgres';
import { inc } from '../../src/datasets/inc.ts';
import { until } from '../support/faults/bounds.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const tickets = (...ids: readonly string[]): string =>
  incFile(ids.map((ticket_id) => ({ ticket_id, priority: 'P1' })));
const WHY = ['--reason', 'seeded again', '--yes', '--wait'];

describe('a rebuild that removes tickets', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld([{ ...inc, notifies: true, maxRejects: 1 }]);
    await world.putAndLoad(fileName(1), tickets('A', 'B', 'C', 'D', 'E', 'F'));
    await world.putAndLoad(fileName(2), tickets('A', 'B', 'C', 'D', 'E'));
    await world.rebuildWork();
  });
  afterEach(() => world.close());

  for (const [what, row, said] of [
    ['was cut short', { ticket_id: 'EXPORT STOPPED: limit' }, 'it was cut short by the exporter'],
    ['has rejected rows', { ticket_id: 'F', mttr: 'none' }, 'it has rejected rows (1)'],
  ] as const) {
    it(`is refused where the file that it begins with ${what}, unless that may be`, async () => {
      const rows = ['A', 'B', 'C', 'D', 'E'].map((ticket_id) => ({ ticket_id, priority: 'P1' }));
      await world.putAndLoad(fileName(3), incFile([...rows, { ticket_id: 'F', is_alarm: 'True' }, row]));
      const args = ['rebuild', 'inc', '--from', fileName(3), ...WHY];
      const refused = await world.client(...args, '--remove');
      assert.equal(refused.status, 1);
      assert.ok(refused.stderr.includes(`${said}: tickets that it lacks would be removed`), refused.stderr);
      assert.match(refused.stderr, /--remove-incomplete/);
      const done = await world.client(...args, '--remove', '--remove-incomplete');
      assert.deepEqual([done.status, done.stderr], [0, '']);
      assert.match(
        done.stdout,
        /T00-03-00\.csv has 1 alarm row: their tickets may be among the extra\n[^]*removed 1\n$/,
      );
    });
  }

  it('and is regretted by one from the first file: verify begins where the last did; who listens is told', async () => {
    const heard: Record<string, unknown>[] = [];
    const listener = postgres(world.ownerUrl, { max: 1 });
    try {
      await listener.listen('tidemark', (payload) => {
        heard.push(JSON.parse(payload) as Record<string, unknown>);
      });
      const args = ['rebuild', 'inc', ...WHY, '--remove'];
      assert.equal((await world.client(...args, '--from', fileName(2))).status, 0);
      assert.equal((await world.client(...args, '--from', fileName(1))).status, 0);
      const verified = await world.client('verify', 'inc');
      assert.deepEqual([verified.status, verified.stderr], [0, '']);
      await listener`notify tidemark, '{"last":true}'`;
      await until(10_000, 'the last notice', () => heard.at(-1)?.['last'] === true);
      const counts = { dataset: 'inc', export_type: 'rebuilt', updated: 0 };
      assert.deepEqual(heard.slice(0, -1), [
        { ...counts, key: full(2), read: 5, inserted: 0, unchanged: 5, removed: 1 },
        { ...counts, key: full(1), read: 6, inserted: 1, unchanged: 5, removed: 0 },
      ]);
    } finally {
      await listener.end();
    }
  });
});
