import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createObjectStore } from '../../src/s3/createObjectStore.ts';
import type { ObjectBody, ObjectStore } from '../../src/s3/objectStore.ts';
import { startCutter, startFake, type Fate, type HttpFake } from '../support/httpFake.ts';
import { startBench, type S3Bench } from '../support/s3Bench.ts';

async function textOf({ chunks }: ObjectBody): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += chunk.toString();
  return text;
}

/** Who sent a request: the SDK's middleware numbers its attempts. */
function way({ headers }: IncomingMessage): 'SDK' | 'direct' {
  return headers['amz-sdk-request'] === undefined ? 'direct' : 'SDK';
}

describe('the short way to a server that misbehaves', () => {
  const place = { key: 'changes/1.csv', etag: 'e' };
  const good: RequestListener = (_, res) =>
    res.writeHead(200, { ETag: '"e"', 'Content-Length': 2 }).end('ab');
  let fake: HttpFake;
  let store: ObjectStore;
  let ways: string[];
  let answer: RequestListener;

  /** A store that has learnt the way, and is then answered so. */
  async function learnt(then: RequestListener, options: { readonly requestMs?: number } = {}): Promise<void> {
    answer = good;
    fake = await startFake((req, res) => {
      ways.push(way(req));
      answer(req, res);
    });
    store = createObjectStore({
      bucket: 'b',
      endpoint: fake.endpoint,
      region: 'x',
      forcePathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
      ...options,
    });
    ways = [];
    await textOf(await store.read(place));
    assert.deepEqual(ways, ['SDK']);
    answer = then;
    ways = [];
  }
  afterEach(async () => {
    store.destroy();
    await fake.stop();
  });

  it('is taken once the SDK has shown it, with the condition and a signature', async () => {
    let headers: IncomingMessage['headers'] = {};
    await learnt((req, res) => {
      headers = req.headers;
      good(req, res);
    });
    assert.equal(await textOf(await store.read(place)), 'ab');
    assert.deepEqual(ways, ['direct']);
    assert.equal(headers['if-match'], '"e"');
    assert.match(headers.authorization ?? '', /^AWS4-HMAC-SHA256 .*SignedHeaders=host;if-match;/);
    assert.match(headers['user-agent'] ?? '', /^aws-sdk-js\//);
  });

  it('a key that has to be encoded goes the SDK’s way', async () => {
    await learnt(good);
    await textOf(await store.read({ ...place, key: 'changes/a b.csv' }));
    assert.deepEqual(ways, ['SDK']);
  });

  const refusals: [string, RequestListener, object][] = [
    [
      'other content',
      (_, res) => res.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>'),
      { kind: 'ObjectReplaced', details: { ...place, code: 'PreconditionFailed' } },
    ],
    [
      'nothing there',
      (_, res) => res.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>'),
      { kind: 'FileVanished', details: { ...place, code: 'NoSuchKey' } },
    ],
    [
      'no right to it',
      (_, res) => res.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>'),
      { kind: 'S3Refused', details: { ...place, code: 'AccessDenied' } },
    ],
    ['a server in trouble', (_, res) => res.writeHead(503).end(), { kind: 'S3Unavailable' }],
    ['a connection cut', (req) => req.socket.destroy(), { kind: 'S3Unavailable' }],
  ];
  for (const [what, refusal, failure] of refusals) {
    it(`${what}: the SDK’s command says so`, async () => {
      await learnt(refusal);
      await assert.rejects(store.read(place), failure);
      assert.deepEqual(ways, ['direct', 'SDK']);
    });
  }

  it('an answer that fails once is asked for again', async () => {
    await learnt((_, res) => {
      answer = good;
      res.writeHead(500).end();
    });
    assert.equal(await textOf(await store.read(place)), 'ab');
    assert.deepEqual(ways, ['direct', 'SDK']);
  });

  it('no answer at all ends in time, as S3Unavailable', async () => {
    await learnt(() => undefined, { requestMs: 200 });
    await assert.rejects(store.read(place), { kind: 'S3Unavailable' });
    await fake.allClosed();
  });

  it('other content behind a server that ignores If-Match is ObjectReplaced', async () => {
    await learnt((_, res) => res.writeHead(200, { ETag: '"other"', 'Content-Length': 2 }).end('ab'));
    await assert.rejects(store.read(place), { kind: 'ObjectReplaced' });
    assert.deepEqual(ways, ['direct']);
    await fake.allClosed();
  });

  it('a body cut short is S3Unavailable', async () => {
    await learnt((_, res) => {
      res.writeHead(200, { ETag: '"e"', 'Content-Length': 1000 }).write('ab');
      setImmediate(() => res.destroy());
    });
    await assert.rejects(textOf(await store.read(place)), { kind: 'S3Unavailable' });
  });

  it('an abort before the answer is Cancelled, and closes the connection', async () => {
    const controller = new AbortController();
    await learnt(() => controller.abort());
    await assert.rejects(store.read({ ...place, signal: controller.signal }), { kind: 'Cancelled' });
    await fake.allClosed();
    assert.deepEqual(ways, ['direct']);
  });
});

describe('moving on the short way', () => {
  let bench: S3Bench;
  before(async () => {
    bench = await startBench();
  });
  after(() => bench.stop());

  /** Moves ten objects behind a proxy. @returns what was asked on the short way, and what lies where then */
  async function moved(fateOf: (direct: string) => Fate): Promise<{ asked: string[]; contents: object }> {
    const prefix = bench.prefix();
    const moves = await Promise.all(
      Array.from({ length: 10 }, async (_unused, i) => {
        const [from, to] = [`${prefix}changes/${i}.csv`, `${prefix}processed/${i}.csv`];
        return { from, to, etag: await bench.put(from, `text ${i}`) };
      }),
    );
    const asked: string[] = [];
    const proxy = await startCutter(bench.options.endpoint, (req) => {
      if (way(req) === 'SDK') return 'pass';
      asked.push(req.method ?? '');
      return fateOf(`${req.method} ${req.url?.slice(-5)}`);
    });
    // The signature names the host, which the proxy passes on.
    const attempts = await bench.store({ endpoint: proxy.endpoint }).moveAll({ moves });
    await proxy.stop();
    assert.deepEqual(new Set(attempts.map(({ outcome }) => outcome)).size, 1, JSON.stringify(attempts));
    return { asked: asked.sort(), contents: await bench.contents(prefix) };
  }

  const all = Object.fromEntries(
    Array.from({ length: 10 }, (_unused, i) => [`processed/${i}.csv`, `text ${i}`]),
  );

  it('ten objects are copied and deleted, each by two requests but the first, which shows how', async () => {
    const { asked, contents } = await moved(() => 'pass');
    assert.deepEqual(contents, all);
    assert.deepEqual(asked.filter((method) => method === 'PUT').length, 9);
    assert.ok(asked.filter((method) => method === 'DELETE').length >= 9);
  });

  const fates: [string, string, Fate][] = [
    ['a copy cut before it was served', 'PUT', 'cut before'],
    ['a copy cut after it was served', 'PUT', 'cut after'],
    ['a copy whose 200 holds an error', 'PUT', 'fail in a 200'],
    ['a deletion cut before it was served', 'DELETE', 'cut before'],
    ['a deletion cut after it was served', 'DELETE', 'cut after'],
  ];
  for (const [what, method, fate] of fates) {
    it(`${what} is made good`, async () => {
      let met = 0;
      const { contents } = await moved((direct) => {
        if (direct !== `${method} 4.csv`) return 'pass';
        met += 1;
        return fate;
      });
      assert.equal(met, 1);
      assert.deepEqual(contents, all);
    });
  }

  it('what is replaced between copy and delete is left, and reported', async () => {
    const prefix = bench.prefix();
    const moves = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const [from, to] = [`${prefix}changes/${i}.csv`, `${prefix}processed/${i}.csv`];
        return { from, to, etag: await bench.put(from, `text ${i}`) };
      }),
    );
    const proxy = await startCutter(bench.options.endpoint, async (req) => {
      const direct = way(req) === 'direct' && req.method === 'DELETE' && req.url?.includes('1.csv');
      if (direct) await bench.put(`${prefix}changes/1.csv`, 'other');
      return 'pass' as const;
    });
    const attempts = await bench.store({ endpoint: proxy.endpoint }).moveAll({ moves });
    await proxy.stop();
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome),
      ['moved', 'changed', 'moved'],
    );
    assert.equal((await bench.contents(prefix))['changes/1.csv'], 'other');
  });
});
