import assert from 'node:assert/strict';
import { ConfigError, readConfig } from '../../src/config.ts';
import { slotsOf } from '../../src/domain/slots.ts';

const GOOD = {
  DATABASE_URL: 'postgres://app:s%2Fecret@db.example:6432/tickets',
  AWS_REGION: 'eu-west-1',
};

describe('the configuration', () => {
  it('is read from the environment, with defaults', () => {
    const config = readConfig(GOOD);
    assert.deepEqual(config.postgres, {
      host: 'db.example',
      port: 6432,
      user: 'app',
      password: 's/ecret',
      database: 'tickets',
      tls: undefined,
    });
    assert.deepEqual([config.s3.bucket, config.s3.forcePathStyle], ['tickets', false]);
    assert.deepEqual([config.taskQueue, config.httpPort], ['tidemark', undefined]);
    assert.equal(config.temporal.namespace, 'default');
    assert.ok(Object.isFrozen(config));
  });

  it('hands on the region, AWS_DEFAULT_REGION too, which the SDK does not read; a profile has its own', () => {
    const region = (env: object): string | undefined =>
      readConfig({ DATABASE_URL: GOOD.DATABASE_URL, ...env }).s3.region;
    assert.equal(region({ AWS_DEFAULT_REGION: 'af-south-1' }), 'af-south-1');
    assert.equal(region({ AWS_PROFILE: 'work' }), undefined);
  });

  it('one number of loads, 8 where none is given, from which a worker’s bounds follow', () => {
    const loads = (text?: string): number => readConfig({ ...GOOD, TIDEMARK_LOADS: text }).loads;
    assert.deepEqual([loads(), loads('2'), loads('64')], [8, 2, 64]);
    for (const wrong of ['1', '65', '2.5', 'many']) assert.throws(() => loads(wrong), /TIDEMARK_LOADS is/);
    assert.deepEqual(slotsOf(8), { ordinary: 8, large: 2, connections: 24 });
    // Each slot may hold one connection, and one is left for a small question.
    for (let n = 2; n <= 64; n++) {
      const { ordinary, large, connections } = slotsOf(n);
      assert.ok(2 * ordinary + large < connections);
    }
  });

  it('takes an empty variable for an unset one', () => {
    assert.equal(readConfig({ ...GOOD, S3_BUCKET: '', TIDEMARK_TASK_QUEUE: '' }).taskQueue, 'tidemark');
  });

  it('says every mistake at once, in one message without secrets', () => {
    const bad = {
      DATABASE_URL: 'mysql://app:verysecret@db/x',
      S3_BUCKET: 'Not A Bucket',
      S3_FORCE_PATH_STYLE: 'perhaps',
      AWS_ENDPOINT_URL_S3: 'localhost',
      AWS_ACCESS_KEY_ID: 'only-half',
      TIDEMARK_HTTP_PORT: '99999',
      TEMPORAL_PROFILE: 'nowhere',
      TEMPORAL_CONFIG_FILE: '/does/not/exist',
    };
    const error = thrown(() => readConfig(bad));
    for (const name of Object.keys(bad).filter(
      (key) => !key.startsWith('TEMPORAL_') && key !== 'AWS_ACCESS_KEY_ID',
    )) {
      assert.match(error.message, new RegExp(`- ${name} `));
    }
    assert.match(error.message, /AWS_SECRET_ACCESS_KEY is not set/);
    assert.match(error.message, /AWS_REGION is not set/);
    assert.ok(!error.message.includes('verysecret'));
  });

  for (const [url, problem] of [
    ['nonsense', /is no URL/],
    ['postgres://u:p@/d', /is no URL|names no host/],
    ['postgres://h/d', /names no user/],
    ['postgres://u:p@h', /names no database/],
    ['postgres://u:p@h/d?sslmode=prefer', /sslmode that is none of/],
    ['postgres://u:p@h/d?sslmode=verify-full&sslrootcert=/nowhere', /sslrootcert that cannot be read/],
    ['postgres://u:p@h/d?options=x', /parameter that is not known: options/],
  ] as const) {
    it(`refuses DATABASE_URL ${url}`, () => {
      assert.match(thrown(() => readConfig({ ...GOOD, DATABASE_URL: url })).message, problem);
    });
  }

  it('maps TLS modes as libpq does', () => {
    const tls = (mode: string): object | undefined =>
      readConfig({ ...GOOD, DATABASE_URL: `${GOOD.DATABASE_URL}?sslmode=${mode}` }).postgres.tls;
    assert.equal(tls('disable'), undefined);
    assert.deepEqual(tls('require'), { rejectUnauthorized: false });
    assert.deepEqual(tls('verify-full'), { rejectUnauthorized: true, servername: 'db.example' });
  });
});

function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error;
  }
  throw new Error('nothing was thrown');
}
