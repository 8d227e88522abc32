import assert from 'node:assert/strict';
import postgres from 'postgres';
import { inc } from '../../src/datasets/inc.ts';
import { until } from '../support/faults/deadline.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

describe('a dataset that notifies', () => {
  let world: World;
  let listener: postgres.Sql;
  const heard: unknown[] = [];
  before(async () => {
    world = await openWorld([{ ...inc, notifies: true }]);
    listener = postgres(world.ownerUrl, { max: 1 });
    await listener.listen('tidemark', (payload) => heard.push(JSON.parse(payload)));
  });
  after(async () => {
    await listener.end();
    await world.close();
  });

  const none = { unchanged: 0, stale: 0, superseded: 0, alarm: 0, sentinel: 0, rejected: 0 };

  it('tells of each file that is applied, large or small, and of no other', async () => {
    await world.putAndLoad(fileName(0), incFile([{ ticket_id: 'A' }]));
    await world.loadSmall(
      await world.put(fileName(1), incFile([{ ticket_id: 'A', priority: 'P1' }, { ticket_id: 'B' }])),
    );
    await assert.rejects(world.putAndLoad(fileName(2), incFile([{ ticket_id: 'C', mttr: 'none' }])));
    // What is sent before is heard before.
    await listener`notify tidemark, '"last"'`;
    await until('the last word is heard', () => heard.at(-1) === 'last');
    const dataset = 'inc';
    const first = { dataset, key: inc.changesPrefix + fileName(0), export_type: 'baseline', read: 1 };
    const second = { dataset, key: inc.changesPrefix + fileName(1), export_type: 'delta', read: 2 };
    assert.deepEqual(heard, [
      { ...first, ...none, inserted: 1, updated: 0 },
      { ...second, ...none, inserted: 1, updated: 1 },
      'last',
    ]);
  });
});
