import assert from 'node:assert/strict';
import { sampleStream } from '../../dev/sample/stream.ts';
import { writeSampleStream } from '../../dev/sample/write.ts';
import { inc } from '../../src/datasets/inc.ts';
import { expectedTable, readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

describe('the main job, on the sample stream', function () {
  this.timeout(120_000);
  let world: World;
  const files = sampleStream();

  before(async () => {
    world = await openWorld();
    await writeSampleStream({ s3: world.s3, bucket: world.name, files });
  });
  after(() => world.close());

  it('loads all files in order, and the table equals a naive reading of them', async () => {
    const bodies = await Promise.all(files.map(async ({ key }) => ({ key, body: await world.content(key) })));
    const result = await world.run();
    assert.equal(result.applied, 4);
    assert.equal(result.watermark, files.at(-1)?.key);
    assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, bodies));
  });

  it('writes one ledger row a file, a baseline and three deltas, whose counts add up', async () => {
    const ledger = await world.ledger();
    assert.deepEqual(
      ledger.map(({ type, key, read, archived }) => ({ type, key, read, archived })),
      files.map(({ key, expected }, i) => ({
        type: i === 0 ? 'baseline' : 'delta',
        key,
        read: expected.read,
        archived: true,
      })),
    );
    assert.equal(ledger[0]?.metadata['truncated'], true);
  });

  it('archives the four files and leaves the legacy placeholders', async () => {
    const names = files.map(({ key }) => key.slice(inc.changesPrefix.length));
    assert.deepEqual(
      await world.keys(inc.processedPrefix),
      names.map((name) => inc.processedPrefix + name),
    );
    assert.deepEqual(await world.keys(inc.changesPrefix), [
      `${inc.changesPrefix}full/`,
      `${inc.changesPrefix}latest.csv/`,
      `${inc.changesPrefix}latest.json/`,
    ]);
  });

  it('changes nothing in a second run: no row version, no ledger row, no object', async () => {
    const versions = (): Promise<object[]> =>
      world.db.query(`select ticket_id, xmin::text, ctid::text from tickets.inc order by ticket_id`);
    const before = [await versions(), await world.ledger(), await world.keys()];
    const result = await world.run();
    assert.equal(result.applied, 0);
    assert.deepEqual([await versions(), await world.ledger(), await world.keys()], before);
  });
});
