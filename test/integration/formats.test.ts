import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { zstd, zstdBomb } from '../support/packing.ts';
import { openWorld, type World } from '../support/world.ts';

const row = (id: string, title = ''): Record<string, string> => ({ ticket_id: id, title });

describe('files in other formats', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it('packed and plain ones are loaded in the order of their keys, small or large, and archived as they are', async () => {
    const many = Array.from({ length: 6_000 }, (_, n) =>
      row(`T${n}`, createHash('sha256').update(`${n}`).digest('hex')),
    );
    const baseline = gzipSync(incFile(many));
    assert.ok(baseline.length > 64 * 1024);
    await world.put(`${fileName(1)}.gz`, baseline);
    await world.put(fileName(2), incFile([row('T1', 'plain')]));
    await world.put(`${fileName(2)}.gz`, gzipSync(incFile([row('T1', 'gzip')])));
    await world.put(`${fileName(2)}.zst`, await zstd(Buffer.from(incFile([row('T1', 'zstd')]))));
    const { applied, watermark, rows } = await world.run();
    assert.deepEqual([applied, watermark], [4, `${inc.changesPrefix}${fileName(2)}.zst`]);
    assert.deepEqual([rows.inserted, rows.updated], [6_000, 3]);
    const [stored] = await world.db.query('select title, source_key from tickets.inc where ticket_id = $1', [
      'T1',
    ]);
    assert.deepEqual(stored, { title: 'zstd', source_key: watermark });
    const [deed] = await world.db.query(
      `select metadata->>'sha256' as sha256, (metadata->>'bytes')::int as bytes
       from tickets.import_meta where source_key like '%.csv.gz' order by id limit 1`,
    );
    assert.deepEqual(deed, {
      sha256: createHash('sha256').update(baseline).digest('hex'),
      bytes: baseline.length,
    });
    assert.deepEqual(
      await world.keys(),
      [`${fileName(1)}.gz`, fileName(2), `${fileName(2)}.gz`, `${fileName(2)}.zst`].map(
        (n) => inc.processedPrefix + n,
      ),
    );
    const verified = await world.client('verify', 'inc');
    assert.match(verified.stdout, /4 files merged, 6,000 rows expected, 6,000 stored/);
    const { stdout } = await world.client('explain', 'inc', 'T1');
    assert.match(stdout, /csv\.gz .*inserted[^]*csv .*updated[^]*csv\.gz .*updated[^]*csv\.zst .*updated/);
  });

  it('one that is cut short is refused with its name, nothing of it is applied, and it loads once it is whole', async () => {
    const key = `${inc.changesPrefix}${fileName(2)}.gz`;
    const whole = gzipSync(incFile([row('T1', 'new'), row('T2')]));
    await world.put(fileName(1), incFile([row('T1')]));
    await world.put(`${fileName(2)}.gz`, whole.subarray(0, -6));
    await assert.rejects(world.run());
    const [failure] = await world.db.query<Record<string, string>>(
      'select source_key as key, kind, message from tickets.import_failures',
    );
    assert.deepEqual([failure?.['key'], failure?.['kind']], [key, 'MalformedFile']);
    assert.match(
      failure?.['message'] ?? '',
      /cut short \[GZIP_CUT\]\. Mend the object, or leave it out: tidemark skip inc /,
    );
    assert.deepEqual(await world.db.query('select count(*)::int as n from tickets.inc'), [{ n: 1 }]);
    await world.put(`${fileName(2)}.gz`, whole);
    assert.equal((await world.run()).applied, 1);
  });

  it('a small one that holds more rows than a batch may is loaded all the same', async () => {
    const text = incFile(Array.from({ length: 12_000 }, (_, n) => row(`T${n}`, 'x'.repeat(1_000))));
    const packed = await zstd(Buffer.from(text));
    assert.ok(packed.length * 8 < 256 * 1024, `${packed.length}`);
    await world.put(`${fileName(1)}.zst`, packed);
    await world.put(`${fileName(2)}.zst`, zstdBomb(1_000));
    await assert.rejects(world.run());
    const [failure] = await world.db.query('select code from tickets.import_failures');
    assert.deepEqual(failure, { code: 'CSV_MAX_RECORD_SIZE' });
    assert.deepEqual(await world.db.query('select count(*)::int as n from tickets.inc'), [{ n: 12_000 }]);
  });
});
