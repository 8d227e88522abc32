import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { probeConditions } from '../../src/s3/probe.ts';
import type { ConditionReport } from '../../src/s3/probe.ts';
import { startFake } from '../support/httpFake.ts';
import { startBench } from '../support/s3Bench.ts';

/** A store that knows objects but no conditions, or refuses each of them. */
function plainStore(objects: Map<string, string>, refuse?: 412 | 501): RequestListener {
  return (req, res) => {
    const { method, url = '', headers } = req;
    const key = url.split('?')[0] ?? '';
    const conditions = ['if-match', 'if-none-match', 'x-amz-copy-source-if-match'];
    res.setHeader('ETag', '"e"');
    if (refuse !== undefined && conditions.some((name) => headers[name] !== undefined)) {
      res.writeHead(refuse).end(refuse === 501 ? '<Error><Code>NotImplemented</Code></Error>' : undefined);
    } else if (method === 'PUT') {
      objects.set(key, 'x');
      const copied = headers['x-amz-copy-source'] !== undefined;
      res.end(copied ? '<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>' : undefined);
    } else if (method === 'DELETE') {
      objects.delete(key);
      res.writeHead(204).end();
    } else res.end(objects.get(key));
  };
}

/** What the probe finds at such a store, and what it leaves there. */
async function probeAt(refuse?: 412 | 501): Promise<{ report: ConditionReport; left: string[] }> {
  const objects = new Map<string, string>();
  const fake = await startFake(plainStore(objects, refuse));
  const { endpoint } = fake;
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const options = { bucket: 'b', endpoint, region: 'x', forcePathStyle: true, credentials };
  try {
    const report = await probeConditions(options, { prefix: 'p/' });
    return { report, left: [...objects.keys()] };
  } finally {
    await fake.stop();
  }
}

const all = <T>(state: T) => ({ read: state, copySource: state, copyTarget: state, delete: state });

describe('the probe of conditions', () => {
  it('finds versitygw to honour all of them but the one on a copy’s target, and leaves nothing', async () => {
    const bench = await startBench();
    const prefix = bench.prefix();
    const report = await probeConditions(bench.options, { prefix });
    assert.deepEqual(report, { ...all('honoured'), copyTarget: 'ignored' });
    assert.deepEqual(await bench.contents(prefix), {});
    await bench.stop();
  });

  it('removes what killed probes have left, and nothing young or foreign', async () => {
    const bench = await startBench();
    const prefix = bench.prefix();
    const left = `${prefix}.tidemark-probe-0f0f`;
    await bench.put(left, 'Tidemark tries out conditions here.\n');
    await bench.put(`${prefix}.tidemark-probe-foreign`, 'something else');
    await probeConditions(bench.options, { prefix });
    assert.equal(Object.keys(await bench.contents(prefix)).length, 2);
    await probeConditions(bench.options, { prefix, leftAfterMs: 0 });
    assert.deepEqual(await bench.contents(prefix), { '.tidemark-probe-foreign': 'something else' });
    await bench.stop();
  });

  it('finds a store that ignores conditions, and leaves nothing', async () => {
    assert.deepEqual(await probeAt(), { report: all('ignored'), left: [] });
  });

  for (const status of [412, 501] as const) {
    it(`finds a store that answers ${status} to every condition unusable, and leaves nothing`, async () => {
      assert.deepEqual(await probeAt(status), { report: all('unusable'), left: [] });
    });
  }

  it('fails where writing is refused', async () => {
    const bench = await startBench();
    const options = { ...bench.options, bucket: 'no-such-bucket' };
    await assert.rejects(probeConditions(options, { prefix: 'p/' }), { kind: 'S3Refused' });
    await bench.stop();
  });
});
