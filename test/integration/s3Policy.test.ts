import assert from 'node:assert/strict';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { inc } from '../../src/datasets/inc.ts';
import { createObjectStore } from '../../src/s3/createObjectStore.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { probeConditions } from '../../src/s3/probe.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { createUser, documentedPolicy, grant, type Keys, type Statement } from '../support/s3User.ts';
import { openWorld, type World } from '../support/world.ts';

const MIB = 1024 ** 2;

describe('the documented S3 policy', function () {
  this.timeout(120_000);
  let world: World;
  let user: Keys;
  let client: S3Client;
  let store: ObjectStore;
  let policy: readonly Statement[];
  let files = 0;

  before(async () => {
    world = await openWorld();
    user = await createUser(world.shared.stack);
    client = new S3Client({ forcePathStyle: true, credentials: user });
    policy = await documentedPolicy(world.name);
    store = createObjectStore(options());
  });
  beforeEach(() => grant(world.s3, world.name, user, policy));
  after(async () => {
    store.destroy();
    client.destroy();
    await world.close();
  });

  function options() {
    const small = { multipartAbove: 5 * MIB, partSize: 5 * MIB, maxAttempts: 1 };
    return { bucket: world.name, forcePathStyle: true, credentials: user, ...small };
  }

  async function put(
    body: string | Buffer,
    more: { Tagging?: string } = {},
  ): Promise<{ key: string; etag: string }> {
    const key = inc.changesPrefix + fileName((files += 1));
    const { ETag = '' } = await world.s3.send(
      new PutObjectCommand({ Bucket: world.name, Key: key, Body: body, ...more }),
    );
    return { key, etag: ETag.replaceAll('"', '') };
  }

  /** All that the product does in S3, as the user. */
  async function doAll(): Promise<void> {
    const file = await put('x');
    await store.check({ prefix: inc.changesPrefix });
    let bytes = '';
    for await (const chunk of (await store.read(file)).chunks) bytes += chunk.toString();
    assert.equal(bytes, 'x');
    assert.equal(await store.head({ key: inc.changesPrefix + fileName(1439) }), undefined);
    const missing = { key: inc.changesPrefix + fileName(1439), etag: file.etag };
    await assert.rejects(store.read(missing), { kind: 'FileVanished' });
    const others = [await put('y'), await put('z')];
    const moves = [file, ...others].map(({ key, etag }) => ({ from: key, to: archived(key), etag }));
    const attempts = await store.moveAll({ moves });
    for (const attempt of attempts) if (attempt.outcome === 'failed') throw attempt.failure;
    const large = await put(Buffer.alloc(6 * MIB), { Tagging: 'a=b' });
    await store.move({ from: large.key, to: archived(large.key), etag: large.etag });
    const skipped = await put('s');
    await store.move({
      from: skipped.key,
      to: skipped.key.replace('changes', 'skipped'),
      etag: skipped.etag,
    });
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket: world.name, Key: archived('part') }),
    );
    await client.send(
      new AbortMultipartUploadCommand({ Bucket: world.name, Key: archived('part'), UploadId }),
    );
    const conditions = await probeConditions(options(), { prefix: inc.processedPrefix });
    assert.deepEqual([conditions.read, conditions.delete], ['honoured', 'honoured']);
  }

  it('is enough for a run, start to end', async () => {
    await world.putAndLoad(fileName(1000), incFile([{ ticket_id: 'A' }]));
    Object.assign(world.deps, { store });
    await world.put(fileName(1001), incFile([{ ticket_id: 'B' }]));
    const { applied, archived: moved, notMoved } = await world.run();
    assert.deepEqual([applied, moved, notMoved.total], [1, 2, 0]);
  });

  it('is enough for all that worker and client do, and leaves nothing of the probe', async () => {
    await doAll();
    assert.deepEqual(
      (await world.keys()).filter((key) => key.includes('probe')),
      [],
    );
  });

  it('is not more than that: without any one of its actions something is refused', async () => {
    for (const [at, statement] of policy.entries()) {
      const actions = [statement.Action].flat();
      for (const action of actions) {
        const left = actions.filter((other) => other !== action);
        const less = policy.flatMap((one, i) => {
          if (i !== at) return [one];
          return left.length > 0 ? [{ ...one, Action: left }] : [];
        });
        await grant(world.s3, world.name, user, less);
        await assert.rejects(
          doAll(),
          (error) => {
            assert.match(String(error), /Refused|AccessDenied|Access Denied|refuses/);
            return true;
          },
          `statement ${at}: nothing needs ${action}`,
        );
      }
    }
  });

  it('allows nothing else', async () => {
    const Bucket = world.name;
    const { key } = await put('x');
    const done = inc.processedPrefix + fileName(1);
    for (const Key of [done, 'elsewhere/x'])
      await world.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    const forbidden = [
      () => client.send(new PutObjectCommand({ Bucket, Key: key, Body: 'forged' })),
      () => client.send(new PutObjectTaggingCommand({ Bucket, Key: key, Tagging: { TagSet: [] } })),
      () => client.send(new DeleteObjectCommand({ Bucket, Key: done })),
      () => client.send(new GetObjectCommand({ Bucket, Key: 'elsewhere/x' })),
      () => client.send(new PutObjectCommand({ Bucket, Key: 'elsewhere/y', Body: 'x' })),
      () => client.send(new DeleteObjectCommand({ Bucket, Key: 'elsewhere/x' })),
      () => client.send(new ListObjectsV2Command({ Bucket, Prefix: 'elsewhere/' })),
      () => client.send(new ListObjectsV2Command({ Bucket, Prefix: 'automations/' })),
    ];
    for (const attempt of forbidden) await assert.rejects(attempt(), { name: 'AccessDenied' });
  });
});

function archived(key: string): string {
  return inc.processedPrefix + key.slice(key.lastIndexOf('/') + 1);
}
