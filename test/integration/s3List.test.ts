import assert from 'node:assert/strict';
import { createObjectStore } from '../../src/s3/createObjectStore.ts';
import type { ListedObject, ObjectStore } from '../../src/s3/objectStore.ts';
import { startFake } from '../support/httpFake.ts';
import { startBench } from '../support/s3Bench.ts';
import type { S3Bench } from '../support/s3Bench.ts';

/** Keys by pages of `limit`, the prefix taken off. */
async function pages(store: ObjectStore, prefix: string, limit: number): Promise<string[][]> {
  const all: string[][] = [];
  let after: string | undefined;
  do {
    const page = await store.listPage({ prefix, limit, ...(after === undefined ? {} : { after }) });
    all.push(page.objects.map(({ key }) => key.slice(prefix.length)));
    after = page.next;
  } while (after !== undefined);
  return all;
}

describe('listing', () => {
  let bench: S3Bench;
  before(async () => {
    bench = await startBench();
  });
  after(() => bench.stop());

  it('pages end at the limit, and the last one names no next', async () => {
    const prefix = bench.prefix();
    for (const name of ['e', 'b', 'd', 'a', 'c']) await bench.put(prefix + name, name);
    assert.deepEqual(await pages(bench.store(), prefix, 2), [['a', 'b'], ['c', 'd'], ['e']]);
    assert.deepEqual(await pages(bench.store(), prefix, 5), [['a', 'b', 'c', 'd', 'e']]);
  });

  it('an empty prefix is one empty page', async () => {
    assert.deepEqual(await pages(bench.store(), bench.prefix(), 10), [[]]);
  });

  it('keys of odd characters come as they are, in byte order', async () => {
    const prefix = bench.prefix();
    const names = ['-.csv', 'a b+c.csv', 'a%20b.csv', 'a&<"\'>.csv', 'ü€.csv', '\u{FF0E}.csv', '😀.csv'];
    for (const name of names) await bench.put(prefix + name, 'x');
    const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual((await pages(bench.store(), prefix, 1)).flat(), sorted);
  });

  it('a key that XML can’t carry hides no other key', async () => {
    const prefix = bench.prefix();
    for (const name of ['a', 'b\u0001', 'c', 'd']) await bench.put(prefix + name, 'x');
    assert.deepEqual(await pages(bench.store(), prefix, 2), [['a'], ['b\u{FFFD}', 'c'], ['d']]);
  });

  it('an object comes with size, bare ETag and time, the same as a look at it gives', async () => {
    const key = `${bench.prefix()}a`;
    const etag = await bench.put(key, 'hello');
    const page = await bench.store().listPage({ prefix: key, limit: 1 });
    const object = page.objects[0] as ListedObject;
    assert.deepEqual([object.key, object.size, object.etag], [key, 5, etag]);
    assert.ok(Math.abs(page.serverTime - Date.now()) < 60_000, 'serverTime is the clock of the server');
    assert.deepEqual(await bench.store().head({ key }), object);
    assert.equal(await bench.store().head({ key: `${key}-not` }), undefined);
  });

  it('a bucket that does not exist is refused by name', async () => {
    const store = bench.store({ bucket: 'no-such-bucket' });
    await assert.rejects(store.check({ prefix: '' }), {
      kind: 'S3Refused',
      details: { code: 'NoSuchBucket' },
    });
    await bench.store().check({ prefix: '' });
  });

  it('a page has 1 to 1,000 keys', async () => {
    for (const limit of [0, 1001, 1.5])
      await assert.rejects(bench.store().listPage({ prefix: '', limit }), { kind: 'BadRequest' });
  });

  it('a cancelled listing is Cancelled, not retried', async () => {
    const listing = bench.store().listPage({ prefix: '', limit: 1, signal: AbortSignal.abort() });
    await assert.rejects(listing, { kind: 'Cancelled' });
  });
});

describe('listing at servers of other kinds', () => {
  /** The first page that a server gives by such an answer. */
  async function listAt(xml: string, more: { date?: boolean } = {}) {
    const fake = await startFake((_, res) => {
      res.sendDate = more.date ?? true;
      res.end(xml);
    });
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const { endpoint } = fake;
    const store = createObjectStore({
      bucket: 'b',
      endpoint,
      region: 'x',
      forcePathStyle: true,
      credentials,
    });
    try {
      return await store.listPage({ prefix: '', limit: 10 });
    } finally {
      store.destroy();
      await fake.stop();
    }
  }

  const entry = (key: string): string =>
    `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-06-22T10:00:00Z</LastModified></Contents>`;
  const listing = (...parts: string[]): string =>
    `<ListBucketResult>${parts.join('')}<IsTruncated>false</IsTruncated></ListBucketResult>`;

  it('keys in URL form are decoded where the answer says that they are', async () => {
    const encoded = 'a+b%2Bc%0A%C3%BC%2525/d';
    const { objects } = await listAt(listing('<EncodingType>url</EncodingType>', entry(encoded)));
    assert.equal(objects[0]?.key, 'a b+c\nü%25/d');
    assert.equal((await listAt(listing(entry(encoded)))).objects[0]?.key, encoded);
  });

  it('keys out of byte order are refused, since the order of loads rests on it', async () => {
    const answer = listAt(listing(entry('b'), entry('a')));
    await assert.rejects(answer, { kind: 'S3Refused', details: { code: 'UnorderedListing' } });
  });

  it('an answer without Date fails: nothing else tells S3’s clock', async () => {
    const answer = listAt(listing(), { date: false });
    await assert.rejects(answer, { kind: 'S3Unavailable', details: { code: 'MissingDate' } });
  });

  it('a proxy’s page is no empty listing', async () => {
    const answer = listAt('<html>down for maintenance</html>');
    await assert.rejects(answer, { kind: 'S3Unavailable', details: { code: 'IncompleteAnswer' } });
  });
});
