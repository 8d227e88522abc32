import assert from 'node:assert/strict';
import { NativeConnection } from '@temporalio/worker';
import { manyDatasets, tablesOf } from '../../dev/sample/manyDatasets.ts';
import { sampleStream } from '../../dev/sample/stream.ts';
import { checkDatasets } from '../../src/datasets/checkDatasets.ts';
import { inc } from '../../src/datasets/inc.ts';
import { until } from '../support/faults/bounds.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { runOf } from '../support/manyDatasets.ts';
import { openWorld, type World } from '../support/world.ts';

/** A run of a small delta beside large loads may take so long, milliseconds (docs/scaling.md); seconds on a busy machine. */
const BOUND_MS = 10_000;

describe('many datasets', function () {
  this.timeout(180_000);
  let world: World;
  const datasets = manyDatasets(50);
  beforeEach(async () => {
    world = await openWorld(datasets);
    await world.db.query(tablesOf(datasets));
  });
  let another: NativeConnection | undefined;
  afterEach(async () => {
    await world.close();
    await another?.close();
    another = undefined;
  });

  it('fifty at once on two workers: each file once, in order within its dataset, side by side', async () => {
    checkDatasets(datasets);
    for (const n of [1, 2, 3]) {
      const body = incFile([{ ticket_id: 'A', priority: `P${n}` }]);
      await Promise.all(datasets.map(({ changesPrefix }) => world.put(changesPrefix + fileName(n), body)));
    }
    // Both share the world's connections to PostgreSQL, and have one each to Temporal.
    await world.work(4);
    another = await NativeConnection.connect({ address: world.env['TEMPORAL_ADDRESS'] ?? '' });
    await world.work(4, another);
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
  });

  it('large files in more datasets than a worker has slots keep no other dataset waiting', async () => {
    const loads = 2;
    const large = datasets.slice(0, 6);
    const [small] = datasets.slice(-1);
    assert.ok(small);
    let free: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (free = resolve));
    const { store } = world.deps;
    let reading = 0;
    // A large file is read for as long as the test wants.
    const read: typeof store.read = async (input) => {
      if (large.some(({ changesPrefix }) => input.key.startsWith(changesPrefix))) {
        reading += 1;
        await held;
      }
      return store.read(input);
    };
    Object.assign(world.deps, { store: { ...store, read } });
    const body = await largeBody();
    for (const { changesPrefix } of large) await world.put(changesPrefix + fileName(1), body);
    await world.put(small.changesPrefix + fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.work(loads);
    const runs = await Promise.all(large.map((dataset) => runOf(world, dataset)));
    await until(60_000, 'a large file is being read', () => reading > 0);
    const started = Date.now();
    const { applied } = await (await runOf(world, small)).result();
    const took = Date.now() - started;
    free();
    assert.equal(applied, 1);
    assert.ok(took < BOUND_MS, `the small delta took ${took} ms`);
    const results = await Promise.all(runs.map((run) => run.result()));
    assert.deepEqual(
      results.map((result) => result.applied),
      large.map(() => 1),
    );
  });

  /** Above `LARGE_FILE_BYTES`. */
  async function largeBody(): Promise<Buffer> {
    const [baseline] = sampleStream({ rows: 42_000, deltas: [] });
    const chunks: Buffer[] = [];
    for await (const chunk of baseline?.body() ?? []) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    assert.ok(body.length > 16 * 1024 * 1024 && inc.columns);
    return body;
  }
});
