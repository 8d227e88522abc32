import assert from 'node:assert/strict';
import { NativeConnection } from '@temporalio/worker';
import { manyDatasets, tablesOf } from '../../dev/sample/manyDatasets.ts';
import { checkDatasets } from '../../src/datasets/checkDatasets.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { runOf } from '../support/manyDatasets.ts';
import { openWorld, type World } from '../support/world.ts';

describe('many datasets', function () {
  this.timeout(180_000);
  let world: World;
  const datasets = manyDatasets(50);
  beforeEach(async () => {
    world = await openWorld(datasets);
    await world.db.query(tablesOf(datasets));
  });
  let others: NativeConnection[] = [];
  afterEach(async () => {
    await world.close();
    await Promise.all(others.map((connection) => connection.close()));
    others = [];
  });

  for (const [workers, words] of [
    [1, 'one worker'],
    [2, 'two workers'],
    [4, 'four workers'],
  ] as const)
    it(`fifty at once on ${words}: each file once, in order within its dataset, side by side`, () =>
      atOnce(workers));

  async function atOnce(workers: number): Promise<void> {
    checkDatasets(datasets);
    for (const n of [1, 2, 3]) {
      const body = incFile([{ ticket_id: 'A', priority: `P${n}` }]);
      await Promise.all(datasets.map(({ changesPrefix }) => world.put(changesPrefix + fileName(n), body)));
    }
    // All share the world's connections to PostgreSQL, and have one each to Temporal.
    for (let n = 0; n < workers; n++) {
      const connection = await NativeConnection.connect({ address: world.env['TEMPORAL_ADDRESS'] ?? '' });
      others.push(connection);
      await world.work(4, connection);
    }
    const runs = await Promise.all(datasets.map((dataset) => runOf(world, dataset)));
    const results = await Promise.all(runs.map((run) => run.result()));
    assert.deepEqual(
      new Set(results.map(({ applied, archived }) => `${applied} ${archived}`)),
      new Set(['3 3']),
    );
    const ledger = await world.db.query<{ dataset: string; key: string; place: number }>(
      `select dataset, source_key as key, row_number() over (order by id)::int as place from tickets.import_meta order by id`,
    );
    for (const { name, changesPrefix, table } of datasets) {
      const keys = ledger.filter(({ dataset }) => dataset === name).map(({ key }) => key);
      assert.deepEqual(
        keys,
        [1, 2, 3].map((n) => changesPrefix + fileName(n)),
      );
      const rows = await world.db.query(`select priority from tickets.${table}`);
      assert.deepEqual(rows, [{ priority: 'P3' }]);
    }
    // One after the other each would have its three in a row.
    const switches = ledger.filter(({ dataset }, at) => at > 0 && ledger[at - 1]?.dataset !== dataset);
    assert.ok(switches.length > datasets.length, `${switches.length} changes of dataset`);
  }
});
