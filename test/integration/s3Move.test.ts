import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { startCutter } from '../support/httpFake.ts';
import type { Fate, HttpFake } from '../support/httpFake.ts';
import { startBench } from '../support/s3Bench.ts';
import type { S3Bench } from '../support/s3Bench.ts';

const MIB = 1024 ** 2;

let bench: S3Bench;
before(async () => {
  bench = await startBench();
});
after(() => bench.stop());

/** A prefix with an object of `text` to be moved from `changes/a b+ü.csv` to `processed/`. */
async function arrange(text = 'loaded') {
  const prefix = bench.prefix();
  const from = `${prefix}changes/a b+ü.csv`;
  const to = `${prefix}processed/a b+ü.csv`;
  const etag = await bench.put(from, text);
  return { prefix, from, to, etag, beside: `${prefix}processed/a b+ü.${etag}.csv` };
}

describe('a move', () => {
  it('takes the object to its new key, and says already when it is repeated', async () => {
    const { prefix, from, to, etag } = await arrange();
    const store = bench.store();
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'moved', key: to });
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'already', key: to });
    assert.deepEqual(await bench.contents(prefix), { 'processed/a b+ü.csv': 'loaded' });
  });

  it('keeps metadata and content type, and records the ETag', async () => {
    const { from, to } = await arrange();
    const etag = await bench.put(from, 'x', { Metadata: { exporter: '7' }, ContentType: 'text/csv' });
    await bench.store().move({ from, to, etag });
    assert.deepEqual(await bench.head(to), {
      metadata: { exporter: '7', 'tidemark-etag': etag },
      contentType: 'text/csv',
    });
  });

  it('leaves a source that has other content, and says changed', async () => {
    const { prefix, from, to, etag } = await arrange();
    await bench.put(from, 'replaced');
    assert.deepEqual(await bench.store().move({ from, to, etag }), { outcome: 'changed' });
    assert.deepEqual(await bench.contents(prefix), { 'changes/a b+ü.csv': 'replaced' });
  });

  it('says missing where the source is gone and the archive has other bytes or none', async () => {
    const { from, to, etag } = await arrange();
    await bench.remove(from);
    assert.deepEqual(await bench.store().move({ from, to, etag }), { outcome: 'missing' });
    await bench.put(to, 'other');
    assert.deepEqual(await bench.store().move({ from, to, etag }), { outcome: 'missing' });
  });

  it('only deletes where the archive has the bytes already', async () => {
    const { prefix, from, to, etag } = await arrange();
    await bench.put(to, 'loaded', { Metadata: { mine: '1' } });
    assert.deepEqual(await bench.store().move({ from, to, etag }), { outcome: 'moved', key: to });
    assert.deepEqual(await bench.contents(prefix), { 'processed/a b+ü.csv': 'loaded' });
    assert.deepEqual((await bench.head(to)).metadata, { mine: '1' });
  });

  it('goes beside other bytes, and finds them there when it is repeated', async () => {
    const { prefix, from, to, etag, beside } = await arrange();
    await bench.put(to, 'other');
    const store = bench.store();
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'moved', key: beside });
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'already', key: beside });
    const archive = { 'processed/a b+ü.csv': 'other', [beside.slice(prefix.length)]: 'loaded' };
    assert.deepEqual(await bench.contents(prefix), archive);
    await bench.put(from, 'loaded');
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'moved', key: beside });
    assert.deepEqual(await bench.contents(prefix), archive);
  });

  it('refuses where both names have other bytes, and touches nothing', async () => {
    const { prefix, from, to, etag, beside } = await arrange();
    await bench.put(to, 'other');
    await bench.put(beside, 'another');
    const before = await bench.contents(prefix);
    await assert.rejects(bench.store().move({ from, to, etag }), { kind: 'ArchiveRefused' });
    assert.deepEqual(await bench.contents(prefix), before);
  });

  it('does not take the source for its own copy', async () => {
    const { prefix, from, to, etag, beside } = await arrange();
    await bench.put(to, 'other');
    await bench.put(beside, 'loaded');
    const store = bench.store();
    await assert.rejects(store.move({ from, to: from, etag }), { kind: 'BadRequest' });
    await assert.rejects(store.move({ from: beside, to, etag }), { kind: 'ArchiveRefused' });
    assert.equal((await bench.contents(prefix))[beside.slice(prefix.length)], 'loaded');
  });

  it('does not trust a recorded ETag where the size differs', async () => {
    const { from, to, etag, beside } = await arrange();
    await bench.put(to, 'edited since', { Metadata: { 'tidemark-etag': etag } });
    assert.deepEqual(await bench.store().move({ from, to, etag }), { outcome: 'moved', key: beside });
  });

  it('that is cancelled is Cancelled and leaves the source', async () => {
    const { prefix, from, to, etag } = await arrange();
    const move = bench.store().move({ from, to, etag, signal: AbortSignal.abort() });
    await assert.rejects(move, { kind: 'Cancelled' });
    assert.deepEqual(await bench.contents(prefix), { 'changes/a b+ü.csv': 'loaded' });
  });
});

describe('a move in parts', () => {
  const parts = { multipartAbove: 6 * MIB, partSize: 5 * MIB };

  it('takes a large object along whole, with metadata and tags, and is known again', async () => {
    const { prefix, from, to } = await arrange();
    const content = Buffer.alloc(11 * MIB, 'tide,mark\n');
    const etag = await bench.put(from, content, { Metadata: { exporter: '7' }, Tagging: 'a=b%20c' });
    const store = bench.store(parts);
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'moved', key: to });
    assert.deepEqual(await store.move({ from, to, etag }), { outcome: 'already', key: to });
    assert.match((await store.head({ key: to }))?.etag ?? '', /-3$/);
    assert.deepEqual((await bench.head(to)).metadata, { exporter: '7', 'tidemark-etag': etag });
    assert.deepEqual(await bench.tags(to), { a: 'b c' });
    assert.equal((await bench.contents(prefix))['processed/a b+ü.csv'], content.toString());
  });

  it('that fails leaves no upload behind, and no copy', async () => {
    const { prefix, from, to } = await arrange();
    const etag = await bench.put(from, Buffer.alloc(11 * MIB));
    const cutter = await startCutter(bench.options.endpoint, ({ url }) =>
      url?.includes('partNumber=2') === true ? 'cut before' : 'pass',
    );
    const store = bench.store({ ...parts, endpoint: cutter.endpoint });
    await assert.rejects(store.move({ from, to, etag }), { kind: 'S3Unavailable' });
    await cutter.stop();
    assert.deepEqual(await bench.openUploads(), []);
    assert.deepEqual(Object.keys(await bench.contents(prefix)), ['changes/a b+ü.csv']);
  });
});

describe('a move whose connection breaks', () => {
  let cutter: HttpFake;
  let requests: IncomingMessage[];
  let fateOf: (n: number, req: IncomingMessage) => Fate | Promise<Fate>;

  beforeEach(async () => {
    requests = [];
    cutter = await startCutter(bench.options.endpoint, (req) => fateOf(requests.push(req), req));
  });
  afterEach(() => cutter.stop());

  const throughCutter = (maxAttempts: number): ObjectStore =>
    bench.store({ endpoint: cutter.endpoint, maxAttempts });

  for (const fate of ['cut before', 'cut after'] as const) {
    for (const [n, step] of ['look', 'look', 'copy', 'look', 'look', 'delete'].entries()) {
      it(`at request ${n + 1}, a ${step}, ${fate} it was served, is finished by the next one`, async () => {
        const { prefix, from, to, etag } = await arrange();
        fateOf = (i) => (i === n + 1 ? fate : 'pass');
        const store = throughCutter(1);
        await assert.rejects(store.move({ from, to, etag }), { kind: 'S3Unavailable' });
        const lost = step === 'delete' && fate === 'cut after';
        assert.deepEqual(await store.move({ from, to, etag }), {
          outcome: lost ? 'already' : 'moved',
          key: to,
        });
        assert.deepEqual(await bench.contents(prefix), { 'processed/a b+ü.csv': 'loaded' });
      });
    }
  }

  for (const method of ['PUT', 'DELETE']) {
    it(`at the answer to a ${method} goes on by the SDK’s own repeat`, async () => {
      const { prefix, from, to, etag } = await arrange();
      let cut = false;
      fateOf = (_, req) => (!cut && req.method === method ? ((cut = true), 'cut after') : 'pass');
      assert.deepEqual(await throughCutter(3).move({ from, to, etag }), { outcome: 'moved', key: to });
      assert.deepEqual(await bench.contents(prefix), { 'processed/a b+ü.csv': 'loaded' });
    });
  }

  for (const [method, outcome] of [
    ['PUT', 'the new content is left alone, nothing is archived'],
    ['DELETE', 'the new content is left alone, the copy stays'],
  ] as const) {
    it(`and whose source is replaced just before the ${method}: ${outcome}`, async () => {
      const { prefix, from, to, etag } = await arrange();
      fateOf = async (_, req): Promise<Fate> => {
        if (req.method === method) await bench.put(from, 'replaced');
        return 'pass';
      };
      assert.deepEqual(await throughCutter(1).move({ from, to, etag }), { outcome: 'changed' });
      const copy = method === 'DELETE' ? { 'processed/a b+ü.csv': 'loaded' } : {};
      assert.deepEqual(await bench.contents(prefix), { 'changes/a b+ü.csv': 'replaced', ...copy });
    });
  }

  it('and two at the same time lose nothing', async () => {
    const { prefix, from, to, etag } = await arrange();
    fateOf = () => 'pass';
    const outcomes = await Promise.all([1, 2, 3].map(() => throughCutter(3).move({ from, to, etag })));
    for (const { outcome } of outcomes) assert.ok(outcome === 'moved' || outcome === 'already');
    assert.deepEqual(await bench.contents(prefix), { 'processed/a b+ü.csv': 'loaded' });
  });
});
