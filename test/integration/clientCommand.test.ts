import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileName } from '../support/incFile.ts';
import { databaseUrl } from '../support/shared.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const NOWHERE = '127.0.0.1:1';

describe('the command line', function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  /** A command in this world, but for these variables. */
  function type(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Printed> {
    return world.command(['dist/client.js', ...args], { ...world.env, ...env });
  }

  it('names the server that cannot be reached, and where, in one line without a secret', async () => {
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    const password = url.password;
    url.host = NOWHERE;
    const cases = [
      [
        ['status'],
        { DATABASE_URL: url.href },
        /PostgreSQL at 127\.0\.0\.1:1 cannot be reached.*DATABASE_URL/,
      ],
      [
        ['status'],
        { AWS_ENDPOINT_URL_S3: `http://${NOWHERE}` },
        /S3 at 127\.0\.0\.1:1: .*AWS_ENDPOINT_URL_S3/,
      ],
      [
        ['schedule', 'list'],
        { TEMPORAL_ADDRESS: NOWHERE },
        /Temporal at 127\.0\.0\.1:1: it cannot be reached.*TEMPORAL_ADDRESS/,
      ],
    ] as const;
    for (const [args, env, message] of cases) {
      const { status, stdout, stderr } = await type(args, env);
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(stderr, /^tidemark: [^\n]*\n$/);
      assert.match(stderr, message);
      assert.ok(!stderr.includes(password));
    }
  });

  it('colours what it says on a terminal, and not where NO_COLOR is set', async () => {
    const colour = '\u001b[31m';
    const lines = [{}, { NO_COLOR: '1' }].map(async (env) => {
      // Without a configuration it asks no server.
      const child = spawn('script', ['-qec', `${process.execPath} dist/client.js doctor`, '/dev/null'], {
        env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return text(child.stdout);
    });
    const [coloured = '', plain = ''] = await Promise.all(lines);
    assert.ok(coloured.includes(`${colour}problem`));
    assert.match(plain, /^problem +configuration +DATABASE_URL is not set/);
    assert.ok(!plain.includes('\u001b'));
  });

  it('says of a server that refuses what to check', async () => {
    const other = new URL(world.env['DATABASE_URL'] ?? '');
    other.password = 'verysecret';
    const cases = [
      [['status'], { DATABASE_URL: other.href }, /the login is refused \[28P01\]/],
      [
        ['status'],
        { DATABASE_URL: (world.env['DATABASE_URL'] ?? '').replace(world.name, 'nope') },
        /there is no such database/,
      ],
      [
        ['status'],
        { AWS_SECRET_ACCESS_KEY: 'verysecret' },
        /S3 refuses the request .*\[SignatureDoesNotMatch\]/,
      ],
      [['status'], { S3_BUCKET: 'nosuchbucket' }, /bucket nosuchbucket\) \[NoSuchBucket\]/],
      [['start', 'inc'], { TEMPORAL_NAMESPACE: 'nope' }, /Temporal at .*: there is no namespace nope/],
    ] as const;
    for (const [args, env, message] of cases) {
      const { status, stderr } = await type(args, env);
      assert.equal(status, 1);
      assert.match(stderr, message);
      assert.ok(!stderr.includes('verysecret'));
    }
  });

  it('needs only the servers that a verb works with', async () => {
    assert.equal((await type(['status'], { TEMPORAL_ADDRESS: NOWHERE })).status, 0);
    const elsewhere = {
      DATABASE_URL: `postgres://a:b@${NOWHERE}/c`,
      AWS_ENDPOINT_URL_S3: `http://${NOWHERE}`,
    };
    assert.equal((await type(['schedule', 'list'], elsewhere)).status, 0);
  });

  it('says every mistake of the configuration at once, for the worker too', async () => {
    const bad = { DATABASE_URL: '', S3_BUCKET: 'No', AWS_REGION: '', TIDEMARK_HTTP_PORT: 'x' };
    const client = await type(['status'], bad);
    const worker = await world.command(['dist/worker.js'], { ...world.env, ...bad });
    for (const { status, stdout, stderr } of [client, worker]) {
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(stderr, /^tidemark: The configuration has 4 problems:\n/);
      for (const name of Object.keys(bad)) assert.match(stderr, new RegExp(`^ {2}- ${name} `, 'm'));
    }
  });

  it('the worker too names the server that it cannot reach, and ends', async () => {
    const cases = [
      [{ AWS_ENDPOINT_URL_S3: `http://${NOWHERE}` }, /S3 at 127\.0\.0\.1:1/],
      [{ TEMPORAL_ADDRESS: NOWHERE }, /Temporal at 127\.0\.0\.1:1/],
      [{ TEMPORAL_NAMESPACE: 'nope' }, /there is no namespace nope/],
    ] as const;
    for (const [env, message] of cases) {
      const { status, stderr } = await world.command(['dist/worker.js'], {
        ...world.env,
        ...env,
      });
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
  });

  it('an unknown dataset is told with the known ones, by each verb', async () => {
    const key = fileName(1);
    const verbs = [
      ['start', 'nope'],
      ['status', 'nope'],
      ['plan', 'nope'],
      ['files', 'nope'],
      ['rejects', 'nope'],
      ['skip', 'nope', key, '--reason', 'r'],
      ...['apply', 'list', 'trigger', 'pause', 'resume', 'delete'].map((verb) => ['schedule', verb, 'nope']),
    ];
    const printed = await Promise.all(verbs.map((args) => type(args)));
    for (const { status, stdout, stderr } of printed) {
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(stderr, /^tidemark: there is no dataset nope; known: .*\binc\b.*\n$/);
    }
  });

  it('a command line that cannot be understood exits 2, help 0 with an example', async () => {
    const wrong = [[], ['nope'], ['start'], ['status', '--nope'], ['files', 'inc', '--limit', '0']];
    const refused = await Promise.all(wrong.map((args) => type(args)));
    assert.deepEqual(
      refused.map(({ status, stdout }) => [status, stdout]),
      wrong.map(() => [2, '']),
    );
    const verbs = `migrate start status plan files rejects skip apply-late reload compare`.split(' ');
    const helped = await Promise.all(verbs.map((verb) => type([verb, '--help'])));
    for (const [i, { status, stdout, stderr }] of helped.entries()) {
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, new RegExp(`Example:\\n {2}\\$ tidemark ${verbs[i]}`));
    }
  });

  it('migrate says what it applied, and is repeatable', async () => {
    const owner = { DATABASE_URL: databaseUrl(world.shared.stack, world.name) };
    const again = await type(['migrate'], owner);
    assert.deepEqual([again.status, again.stderr], [0, '']);
    assert.match(
      again.stdout,
      /^nothing to do: \d+ migrations applied before\n(registered the search .*\n)?$/,
    );
    await world.db.query('drop schema tickets cascade');
    const { stdout } = await type(['migrate'], owner);
    assert.match(stdout, /^(applied \d{4}_[a-z0-9_]+\.sql\n)+$/);
  });

  it('a closed pipe is harmless', async () => {
    const child = spawn(process.execPath, ['dist/client.js', 'status', '--json'], {
      env: { PATH: process.env['PATH'] ?? '', ...world.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    child.stdout.destroy();
    const [status] = (await once(child, 'close')) as [number];
    assert.deepEqual([status, stderr], [0, '']);
  });
});
