import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { createObjectStore } from '../../src/s3/createObjectStore.ts';
import type { ObjectBody, ObjectStore } from '../../src/s3/objectStore.ts';
import { until } from '../support/faults/deadline.ts';
import { startFake } from '../support/httpFake.ts';
import type { HttpFake } from '../support/httpFake.ts';
import { startBench } from '../support/s3Bench.ts';
import type { S3Bench } from '../support/s3Bench.ts';

async function bytesOf({ chunks }: ObjectBody): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe('reading', () => {
  let bench: S3Bench;
  before(async () => {
    bench = await startBench();
  });
  after(() => bench.stop());

  it('an object comes whole, in chunks of some size', async () => {
    const key = `${bench.prefix()}a b+ü.csv`;
    const content = Buffer.alloc(3_000_000, 'tide,mark\n');
    const body = await bench.store().read({ key, etag: await bench.put(key, content) });
    const chunks: Buffer[] = [];
    for await (const chunk of body.chunks) chunks.push(chunk);
    assert.equal(body.size, content.length);
    assert.ok(Buffer.concat(chunks).equals(content));
    assert.ok(chunks.length < 300, `${chunks.length} chunks`);
  });

  it('an empty object has no bytes', async () => {
    const key = `${bench.prefix()}a`;
    assert.equal(
      (await bytesOf(await bench.store().read({ key, etag: await bench.put(key, '') }))).length,
      0,
    );
  });

  it('an object with another ETag is ObjectReplaced, a missing one FileVanished', async () => {
    const key = `${bench.prefix()}a`;
    const etag = await bench.put(key, 'old');
    await bench.put(key, 'new');
    const place = { key, etag };
    await assert.rejects(bench.store().read(place), {
      kind: 'ObjectReplaced',
      details: { ...place, code: 'PreconditionFailed' },
    });
    await bench.remove(key);
    await assert.rejects(bench.store().read(place), {
      kind: 'FileVanished',
      details: { ...place, code: 'NoSuchKey' },
    });
  });

  it('a consumer may be slower than the stall time', async () => {
    const key = `${bench.prefix()}a`;
    const etag = await bench.put(key, Buffer.alloc(4_000_000));
    let count = 0;
    for await (const chunk of (await bench.store({ stallMs: 150 }).read({ key, etag })).chunks) {
      // Slow by purpose, twice; the buffers between the two sides fill meanwhile.
      if (count === 0 || (count > 2_000_000 && count < 2_100_000)) await delay(400);
      count += chunk.length;
    }
    assert.equal(count, 4_000_000);
  });

  it('the bytes can be asked for once', async () => {
    const key = `${bench.prefix()}a`;
    const body = await bench.store().read({ key, etag: await bench.put(key, 'hello') });
    await bytesOf(body);
    await assert.rejects(bytesOf(body), { kind: 'InternalError' });
  });
});

describe('reading from servers that misbehave', () => {
  let fake: HttpFake;
  let store: ObjectStore;
  const place = { key: 'a', etag: 'e' };

  async function at(answer: RequestListener): Promise<void> {
    fake = await startFake(answer);
    store = createObjectStore({
      bucket: 'b',
      endpoint: fake.endpoint,
      region: 'x',
      forcePathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      stallMs: 200,
      maxAttempts: 1,
    });
  }
  afterEach(async () => {
    store.destroy();
    await fake.stop();
  });

  /** Begins an answer of a million bytes and sends some of them. */
  function begin(res: ServerResponse, bytes = 1000): void {
    res.writeHead(200, { ETag: '"e"', 'Content-Length': 1_000_000 });
    res.write(Buffer.alloc(bytes));
  }

  it('a body that falls silent is Stalled, and its connection is closed', async () => {
    await at((_, res) => begin(res));
    await assert.rejects(bytesOf(await store.read(place)), { kind: 'Stalled', details: place });
    await fake.allClosed();
  });

  it('a body cut short is S3Unavailable', async () => {
    await at((_, res) => {
      begin(res);
      setImmediate(() => res.destroy());
    });
    await assert.rejects(bytesOf(await store.read(place)), { kind: 'S3Unavailable' });
  });

  it('leaving the loop closes the connection', async () => {
    await at((_, res) => begin(res));
    for await (const chunk of (await store.read(place)).chunks) if (chunk.length > 0) break;
    await fake.allClosed();
  });

  it('an abort while bytes are awaited is Cancelled at once, and closes the connection', async () => {
    await at((_, res) => begin(res));
    const controller = new AbortController();
    const { chunks } = await store.read({ ...place, signal: controller.signal });
    const reading = (async () => {
      for await (const chunk of chunks) if (chunk.length > 0) controller.abort();
    })();
    await assert.rejects(reading, { kind: 'Cancelled', details: place });
    await fake.allClosed();
  });

  it('an abort before the loop begins closes the connection too', async () => {
    await at((_, res) => begin(res));
    const controller = new AbortController();
    const body = await store.read({ ...place, signal: controller.signal });
    controller.abort();
    await fake.allClosed();
    await assert.rejects(bytesOf(body), { kind: 'Cancelled' });
  });

  it('an abort before the answer is Cancelled', async () => {
    const controller = new AbortController();
    await at(() => controller.abort());
    await assert.rejects(store.read({ ...place, signal: controller.signal }), { kind: 'Cancelled' });
    await fake.allClosed();
  });

  it('a signal keeps no listener of a read that ended', async () => {
    await at((_, res) => res.writeHead(200, { ETag: '"e"', 'Content-Length': 2 }).end('ab'));
    const { signal } = new AbortController();
    const body = await store.read({ ...place, signal });
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    await bytesOf(body);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('a signal keeps no listener of a body that broke and that nobody looped over', async () => {
    await at((_, res) => begin(res));
    const { signal } = new AbortController();
    await store.read({ ...place, signal });
    await fake.stop();
    await until('no listener is left', () => getEventListeners(signal, 'abort').length === 0);
    await at(() => undefined);
  });

  it('reads that end well share one connection', async () => {
    await at((_, res) => res.writeHead(200, { ETag: '"e"', 'Content-Length': 2 }).end('ab'));
    for (let i = 0; i < 20; i++) assert.equal((await bytesOf(await store.read(place))).toString(), 'ab');
    assert.equal(fake.opened(), 1);
  });

  it('a server that ignores If-Match is found out by the ETag of its answer', async () => {
    await at((_, res) => res.writeHead(200, { ETag: '"other"', 'Content-Length': 2 }).end('ab'));
    await assert.rejects(store.read(place), { kind: 'ObjectReplaced' });
    await fake.allClosed();
  });

  it('a proxy’s page is no object', async () => {
    await at((_, res) => res.end('<html>down for maintenance</html>'));
    await assert.rejects(store.read(place), {
      kind: 'S3Unavailable',
      details: { ...place, code: 'IncompleteAnswer' },
    });
  });
});

describe('calls that get no answer', () => {
  const silent: [string, RequestListener, number][] = [
    ['nothing', () => undefined, 3],
    ['headers only', (_, res) => res.writeHead(200, { 'Content-Length': 1000 }).write('<'), 1],
    ['an error’s headers only', (_, res) => res.writeHead(500, { 'Content-Length': 1000 }).write('<'), 1],
  ];
  for (const [what, answer, attempts] of silent) {
    it(`a listing that gets ${what} ends after ${attempts} of 3 attempts, in time`, async () => {
      const fake = await startFake(answer);
      const store = createObjectStore({
        bucket: 'b',
        endpoint: fake.endpoint,
        region: 'x',
        forcePathStyle: true,
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        requestMs: 400,
      });
      await assert.rejects(store.listPage({ prefix: '', limit: 1 }), { kind: 'S3Unavailable' });
      await fake.allClosed();
      assert.equal(fake.opened(), attempts);
      store.destroy();
      await fake.stop();
    });
  }

  it('a store whose options can’t work is not opened', () => {
    for (const options of [{ bucket: '' }, { bucket: 'b', stallMs: 0 }, { bucket: 'b', partSize: 1024 }])
      assert.throws(() => createObjectStore(options), { kind: 'BadRequest' });
  });
});
