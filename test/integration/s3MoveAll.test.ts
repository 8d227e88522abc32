import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { MoveAttempt } from '../../src/s3/objectStore.ts';
import { startCutter, type Fate } from '../support/httpFake.ts';
import { startBench, type S3Bench } from '../support/s3Bench.ts';

describe('moving several at once', () => {
  let bench: S3Bench;
  before(async () => {
    bench = await startBench();
  });
  after(() => bench.stop());

  it('moves all, and each as a single move would: changed, missing, already, other bytes in the way', async () => {
    const prefix = bench.prefix();
    const place = (name: string): { from: string; to: string } => ({
      from: `${prefix}changes/${name}`,
      to: `${prefix}processed/${name}`,
    });
    const put = async (name: string, text: string): Promise<{ from: string; to: string; etag: string }> => ({
      ...place(name),
      etag: await bench.put(place(name).from, text),
    });
    const plain = await Promise.all([1, 2, 3].map((n) => put(`${n}.csv`, `plain ${n}`)));
    const changed = await put('4.csv', 'loaded');
    await bench.put(changed.from, 'replaced');
    const missing = { ...place('5.csv'), etag: await bench.put(place('5.csv').from, 'gone') };
    await bench.remove(missing.from);
    const already = await put('6.csv', 'archived');
    await bench.put(already.to, 'archived');
    await bench.remove(already.from);
    const copied = await put('7.csv', 'copied');
    await bench.put(copied.to, 'copied');
    const inTheWay = await put('8.csv', 'ours');
    await bench.put(inTheWay.to, 'theirs');

    const moves = [...plain, changed, missing, already, copied, inTheWay];
    const attempts = await bench.store().moveAll({ moves });
    assert.deepEqual(attempts.map(arrivedOr), [
      'arrived',
      'arrived',
      'arrived',
      'changed',
      'missing',
      'arrived',
      'arrived',
      'arrived',
    ]);
    assert.deepEqual(await bench.contents(prefix), {
      'changes/4.csv': 'replaced',
      'processed/1.csv': 'plain 1',
      'processed/2.csv': 'plain 2',
      'processed/3.csv': 'plain 3',
      'processed/6.csv': 'archived',
      'processed/7.csv': 'copied',
      'processed/8.csv': 'theirs',
      [`processed/8.${inTheWay.etag}.csv`]: 'ours',
    });
  });

  it('is repeatable', async () => {
    const prefix = bench.prefix();
    const moves = await Promise.all(
      [1, 2, 3, 4].map(async (n) => {
        const from = `${prefix}changes/${n}.csv`;
        return { from, to: `${prefix}processed/${n}.csv`, etag: await bench.put(from, `text ${n}`) };
      }),
    );
    const store = bench.store();
    await store.moveAll({ moves });
    const again = await store.moveAll({ moves });
    assert.deepEqual(again.map(arrivedOr), ['arrived', 'arrived', 'arrived', 'arrived']);
    assert.equal(Object.keys(await bench.contents(prefix)).length, 4);
  });

  it('a copy that takes longer than other requests may is waited for, and not begun again', async () => {
    const prefix = bench.prefix();
    const moves = [];
    for (const n of [1, 2, 3]) {
      const from = `${prefix}changes/${n}.csv`;
      moves.push({ from, to: `${prefix}processed/${n}.csv`, etag: await bench.put(from, `large ${n}`) });
    }
    let copies = 0;
    const slow = await startCutter(bench.options.endpoint, async ({ headers }): Promise<Fate> => {
      if (headers['x-amz-copy-source'] === undefined) return 'pass';
      copies += 1;
      await delay(700);
      return 'pass';
    });
    try {
      const limits = { requestMs: 400, copyMs: 10_000, maxAttempts: 1 };
      const attempts = await bench.store({ ...limits, endpoint: slow.endpoint }).moveAll({ moves });
      assert.deepEqual([attempts.map(arrivedOr), copies], [['arrived', 'arrived', 'arrived'], 3]);
    } finally {
      await slow.stop();
    }
  });

  it('keeps what the source carries', async () => {
    const prefix = bench.prefix();
    const moves = [];
    for (const n of [1, 2]) {
      const from = `${prefix}changes/${n}.csv`;
      const etag = await bench.put(from, 'x', { Metadata: { exporter: '7' }, ContentType: 'text/csv' });
      moves.push({ from, to: `${prefix}processed/${n}.csv`, etag });
    }
    await bench.store().moveAll({ moves });
    const { metadata, contentType } = await bench.head(moves[1]?.to ?? '');
    assert.deepEqual([metadata, contentType], [{ exporter: '7' }, 'text/csv']);
  });
});

/** Some servers answer the deletion of an object that is gone as if it had been there: both mean that it has arrived. */
function arrivedOr({ outcome }: MoveAttempt): string {
  return outcome === 'moved' || outcome === 'already' ? 'arrived' : outcome;
}
