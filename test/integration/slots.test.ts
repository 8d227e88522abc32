import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const MIB = 1024 * 1024;

describe('slots for large files', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  /** Lets a listing say that an object is larger than it is. */
  function listedAs(key: string, size: number): void {
    const { store } = world.deps;
    const listPage: typeof store.listPage = async (input) => {
      const page = await store.listPage(input);
      const objects = page.objects.map((object) => (object.key === key ? { ...object, size } : object));
      return { ...page, objects };
    };
    Object.assign(world.deps, { store: { ...store, listPage } });
  }

  /** The activities of a run that were scheduled on the queue for large files. */
  async function large(workflowId: string): Promise<(string | null | undefined)[]> {
    const { events } = await world.shared.temporal.workflow.getHandle(workflowId).fetchHistory();
    return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
      scheduled?.taskQueue?.name === `${world.name}-large` ? [scheduled.activityType?.name] : [],
    );
  }

  for (const [what, size, queued] of [
    ['15 MiB, about 120 MiB of text, is loaded in one', 15 * MIB, ['loadFile']],
    ['1.5 MiB, about 12 MiB of text, is not', 1.5 * MIB, []],
  ] as const)
    it(`a packed file of ${what}`, async () => {
      const key = await world.put(`${fileName(1)}.gz`, gzipSync(incFile([{ ticket_id: 'A' }])));
      listedAs(key, size);
      assert.equal((await world.run()).applied, 1);
      assert.deepEqual(await large(`${world.name}-run`), queued);
    });

  it('a large applied file that was uploaded again is compared in one, behind the loads, and archived', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'B' }]));
    await world.run();
    const archived = await world.content(inc.processedPrefix + fileName(1));
    const again = inc.changesPrefix + fileName(1);
    await world.putInParts(again, archived);
    const other = await world.put(fileName(2), incFile([{ ticket_id: 'B', title: 'other' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'C' }]));
    listedAs(again, 300 * MIB);
    const { applied, changed } = await (await world.start(`${world.name}-again`)).result();
    assert.deepEqual([applied, changed], [1, { total: 1, keys: [other] }]);
    assert.deepEqual(
      (await large(`${world.name}-again`)).filter((type) => type === 'listFiles'),
      ['listFiles'],
    );
    assert.deepEqual(await world.keys(inc.changesPrefix), [other]);
  });
});
