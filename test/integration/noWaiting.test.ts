import assert from 'node:assert/strict';
import { manyDatasets, tablesOf } from '../../dev/sample/manyDatasets.ts';
import { sampleStream } from '../../dev/sample/stream.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { until, within } from '../support/faults/bounds.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { runOf } from '../support/manyDatasets.ts';
import { SlowStore } from '../support/slowStore.ts';
import { openWorld, type World } from '../support/world.ts';

const LOADS = 2;
const MIB = 1024 * 1024;

/** How long a small delta takes at most, milliseconds, as docs/scaling.md says it. @param others datasets that want ordinary slots */
function boundMs(others: number): number {
  const wait = Math.ceil((2 * others) / LOADS) * 5_000;
  return 2 * wait + 20_000;
}

describe('a small delta does not wait for other datasets', function () {
  this.timeout(240_000);
  let world: World;
  let store: SlowStore | undefined;
  const datasets = manyDatasets(12);
  const [small, ...others] = datasets;
  beforeEach(async () => {
    world = await openWorld(datasets);
    await world.db.query(tablesOf(datasets));
  });
  afterEach(async () => {
    store?.free();
    await world.close();
  });

  async function put(dataset: Dataset, n: number, body: string | Buffer): Promise<void> {
    await world.put(dataset.changesPrefix + fileName(n), body);
  }

  /** A run of one small file, within so many milliseconds. */
  async function smallDelta(bound: number): Promise<void> {
    assert.ok(small);
    await put(small, 1, incFile([{ ticket_id: 'A' }]));
    const result = (await runOf(world, small)).result();
    const { applied } = await within(bound, 'the small delta is applied', result);
    assert.equal(applied, 1);
  }

  it('that load large files, or a backlog of small ones', async () => {
    const large = others.slice(0, 6);
    const backlog = others.slice(6, 10);
    const slowly = (store = new SlowStore(world, { reads: [...large, ...backlog] }));
    const body = await bodyOf(17 * MIB);
    for (const dataset of large) await put(dataset, 1, body);
    const files = Array.from({ length: 400 }, (_unused, n) => n + 1);
    for (const dataset of backlog)
      await Promise.all(files.map((n) => put(dataset, n, incFile([{ ticket_id: `B${n}` }]))));
    await world.work(LOADS);
    const runs = await Promise.all([...large, ...backlog].map((dataset) => runOf(world, dataset)));
    const loaded = async (some: readonly Dataset[]): Promise<number> => {
      const [row] = await world.db.query<{ n: number }>(
        'select count(*)::int as n from tickets.import_meta where dataset = any($1)',
        [some.map(({ name }) => name)],
      );
      return row?.n ?? 0;
    };
    await until(60_000, 'both are loading', async () => slowly.pieces > 20 && (await loaded(backlog)) > 0);
    await smallDelta(boundMs(backlog.length));
    assert.ok((await loaded(backlog)) < backlog.length * files.length, 'the backlog is loading still');
    assert.equal(await loaded(large), 0, 'the large files are loading still');
    slowly.free();
    const results = await Promise.all(runs.map((run) => run.result()));
    assert.deepEqual(
      results.map(({ applied }) => applied),
      [...large.map(() => 1), ...backlog.map(() => files.length)],
    );
  });

  it('whose files of less than 16 MiB come slowly: they go on in slots for large ones', async () => {
    const slow = others.slice(0, 4);
    const slowly = (store = new SlowStore(world, { reads: slow }));
    const body = await bodyOf(8 * MIB);
    for (const dataset of slow) await put(dataset, 1, body);
    await world.work(LOADS);
    const runs = await Promise.all(slow.map((dataset) => runOf(world, dataset)));
    await until(60_000, 'they are loading', () => slowly.pieces > 10);
    await smallDelta(boundMs(slow.length));
    slowly.free();
    const results = await Promise.all(runs.map((run) => run.result()));
    assert.deepEqual(
      results.map(({ applied }) => applied),
      slow.map(() => 1),
    );
  });

  it('whose files are archived slowly: they too go on in slots for large ones', async () => {
    const slow = others.slice(0, 4);
    const slowly = (store = new SlowStore(world, { moves: slow }));
    const body = await bodyOf(MIB);
    for (const dataset of slow) await put(dataset, 1, body);
    await world.work(LOADS);
    const runs = await Promise.all(slow.map((dataset) => runOf(world, dataset)));
    await until(60_000, 'they are moving', () => slowly.held >= LOADS);
    await smallDelta(boundMs(slow.length));
    slowly.free();
    const results = await Promise.all(runs.map((run) => run.result()));
    assert.deepEqual(
      results.map(({ applied, archived, notMoved }) => [applied, archived, notMoved.total]),
      slow.map(() => [1, 1, 0]),
    );
  });

  /** A file of at least so many bytes. */
  async function bodyOf(bytes: number): Promise<Buffer> {
    const [baseline] = sampleStream({ rows: Math.ceil(bytes / 400), deltas: [] });
    const chunks: Buffer[] = [];
    for await (const chunk of baseline?.body() ?? []) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    assert.ok(body.length > bytes, `${body.length}`);
    return body;
  }
});
