import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { inc } from '../../src/datasets/inc.ts';
import { incFile, incLine, INC_COLUMNS } from '../support/incFile.ts';
import { ownTemporal, type OwnTemporal } from '../support/ownTemporal.ts';
import { openWorld, type World } from '../support/world.ts';

/** Keys in a folder below the prefix, and as many in the archive. */
const BESIDE = 20_000;

/** The nth change file's name, days on end. */
function nameAt(n: number): string {
  const at = new Date(Date.UTC(2026, 0, 1, 0, n)).toISOString();
  return `${at.slice(0, 19).replaceAll(':', '-')}.csv`;
}

/** Counts what is asked of the store, by method. */
function countCalls(world: World): () => Readonly<Record<string, number>> {
  let calls: Record<string, number> = {};
  const counted = Object.entries(world.deps.store as unknown as Record<string, unknown>).map(
    ([name, method]) =>
      typeof method === 'function'
        ? [
            name,
            (...args: unknown[]): unknown => {
              calls[name] = (calls[name] ?? 0) + 1;
              return Reflect.apply(method, world.deps.store, args);
            },
          ]
        : [name, method],
  );
  Object.assign(world.deps, { store: Object.fromEntries(counted) as typeof world.deps.store });
  return () => {
    const asked = calls;
    calls = {};
    return asked;
  };
}

describe('a long history', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it(`${BESIDE.toLocaleString('en')} foreign and as many archived keys beside two pending files cost no request`, async () => {
    const calls = countCalls(world);
    const put = async (from: number): Promise<void> => {
      for (const n of [from, from + 1]) await world.put(nameAt(n), incFile([{ ticket_id: `T${n}` }]));
    };
    const first = BESIDE + 10;
    for (const n of [0, 1]) await world.put(`${inc.changesPrefix}1-old/${nameAt(n)}`, '');
    for (let n = 0; n < 3; n++) await world.put(`latest-${n}.json`, '{}');
    await put(first);
    await world.run();
    await put(first + 2);
    calls();
    const before = await world.run();
    const alone = calls();
    // Straight into the folder that the S3 server serves.
    const root = join(world.shared.stack.directory, 's3', world.name);
    for (const folder of [`${inc.changesPrefix}full`, inc.processedPrefix]) {
      await mkdir(join(root, folder), { recursive: true });
      for (let n = 0; n < BESIDE; n++) writeFileSync(join(root, folder, nameAt(n)), '');
    }
    await put(first + 4);
    const { applied, ignored } = await world.run();
    assert.deepEqual([before.applied, applied], [2, 2]);
    // A folder is one entry, however much is in it.
    assert.equal(ignored, before.ignored + 1);
    assert.deepEqual(calls(), alone);
    // The prefix, and the archive behind the watermark.
    assert.equal(alone['listPage'], 2);
  });

  it('pages with nothing to do cost the history nothing', async () => {
    // Digits at their begin, so that they lie among the change files.
    for (let n = 0; n < 12; n++) await world.put(`${nameAt(n)}.bak`, '');
    await world.put(nameAt(100), incFile([{ ticket_id: 'A' }]));
    const { store } = world.deps;
    const small = (input: Parameters<typeof store.listPage>[0]): ReturnType<typeof store.listPage> =>
      store.listPage({ ...input, limit: 3 });
    Object.assign(world.deps, { store: { ...store, listPage: small } });
    const { applied, ignored } = await world.run();
    assert.deepEqual([applied, ignored], [1, 12]);
    const lists = (await activities(world)).filter((type) => type === 'listFiles');
    assert.equal(lists.length, 1);
  });
});

describe('a history that the server finds long', function () {
  this.timeout(120_000);
  let own: OwnTemporal;
  let world: World;
  before(async () => {
    own = await ownTemporal({ ui: false, settings: ['limit.historyCount.suggestContinueAsNew=40'] });
    world = await openWorld([inc], own.parts);
  });
  after(async () => {
    await world.close();
    await own.stop();
  });

  it('goes on as new within a page: no history much longer, each file once and in order', async () => {
    const files = 20;
    for (let n = 0; n < files; n++) await world.put(nameAt(n), largeFile(n));
    const { applied, archived } = await world.run();
    assert.deepEqual([applied, archived], [files, files]);
    const lengths: number[] = [];
    for await (const { historyLength } of world.shared.temporal.workflow.list()) lengths.push(historyLength);
    assert.ok(lengths.length > 2 && Math.max(...lengths) < 80, `histories of ${lengths.join(', ')} events`);
    const keys = (await world.ledger()).map(({ key }) => key);
    assert.deepEqual(
      keys,
      Array.from({ length: files }, (_unused, n) => inc.changesPrefix + nameAt(n)),
    );
  });

  /** Just too large for a batch. */
  function largeFile(n: number): string {
    const line = incLine({ ticket_id: `T${n}`, title: 'x'.repeat(10_000) });
    return `${INC_COLUMNS.join(',')}\n${`${line}\n`.repeat(27)}`;
  }
});

/** The types of a run's ordinary activities. */
async function activities(world: World): Promise<(string | null | undefined)[]> {
  const { events } = await world.shared.temporal.workflow.getHandle(`${world.name}-run`).fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
    scheduled ? [scheduled.activityType?.name] : [],
  );
}
