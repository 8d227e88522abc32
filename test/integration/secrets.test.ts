import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sayable } from '../support/hooks.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { createUser, documentedPolicy, grant } from '../support/s3User.ts';
import { openWorld, type World } from '../support/world.ts';

const NOWHERE = '127.0.0.1:1';

describe('secrets', function () {
  this.timeout(300_000);
  let world: World;
  /** Each with a marked part, that no other text has. */
  let secrets: Readonly<Record<'password' | 's3' | 'apiKey' | 'tlsKey' | 'webhook' | 'webhookUrl', string>>;
  let env: Readonly<Record<string, string>>;

  before(async () => {
    world = await openWorld();
    const mark = (): string => `SECRET${randomBytes(12).toString('hex')}`;
    const user = await createUser(world.shared.stack);
    await grant(world.s3, world.name, user, await documentedPolicy(world.name));
    secrets = {
      password: mark(),
      s3: user.secretAccessKey,
      apiKey: mark(),
      tlsKey: mark(),
      webhook: mark(),
      webhookUrl: mark(),
    };
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    url.username = `login_${process.pid}_secret`;
    url.password = secrets.password;
    await world.shared.admin.unsafe(
      `create role ${url.username} login password '${url.password}' in role tidemark_worker`,
    );
    env = {
      ...world.env,
      DATABASE_URL: url.href,
      AWS_ACCESS_KEY_ID: user.accessKeyId,
      AWS_SECRET_ACCESS_KEY: user.secretAccessKey,
      // Whoever knows such an address may post there.
      TIDEMARK_WEBHOOK_URL: `http://${NOWHERE}/${secrets.webhookUrl}`,
      TIDEMARK_WEBHOOK_SECRET: secrets.webhook,
    };
  });
  after(() => world.close());

  function silent(text: string, where: string): void {
    for (const [name, secret] of Object.entries(secrets)) {
      assert.ok(!text.includes(secret), `the secret "${name}" stands in ${where}`);
      assert.ok(!text.includes(Buffer.from(secret).toString('base64')), `${name}, as base64, in ${where}`);
    }
  }

  it('are in no log, history, output or process list of a run that fails', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'B', mttr: 'soon' }]));
    const worker = world.workProcess(env);
    let said = '';
    for (const stream of [worker.stdout, worker.stderr])
      stream?.on('data', (data: Buffer) => (said += data.toString()));
    const run = await world.start();
    await assert.rejects(run.result());
    const verbs = ['status', 'plan', 'files', 'rejects'];
    const looking = new AbortController();
    const looks = processList(looking.signal);
    for (const verb of verbs) {
      const { stdout, stderr } = await world.command(['dist/client.js', verb, 'inc'], env);
      assert.ok(stdout.length > 0);
      silent(stdout + stderr, verb);
    }
    looking.abort();
    const list = await looks;
    assert.match(list, /dist\/client\.js\0status/);
    assert.match(list, /dist\/worker\.js/);
    silent(list, 'the process list');
    silent(sayable(await run.fetchHistory()), 'the history');
    assert.match(said, /Workflow failed/);
    silent(said, 'the log');
    const [sessions] = await world.db.query<{ text: string }>(
      `select string_agg(a::text, ' ') as text from pg_stat_activity a`,
    );
    silent(sessions?.text ?? '', 'pg_stat_activity');
  });

  it('are in no message of a server that cannot be reached or refuses, of worker and client', async () => {
    const key = join(world.shared.stack.directory, `${world.name}.key`);
    const pem = `-----BEGIN PRIVATE KEY-----\n${secrets.tlsKey}\n-----END PRIVATE KEY-----\n`;
    await writeFile(key, pem);
    const profile = join(world.shared.stack.directory, `${world.name}.toml`);
    await writeFile(profile, `[profile.default\napi_key = "${secrets.apiKey}"\n`);
    const { password } = secrets;
    const url = (change: (url: URL) => void): string => {
      const changed = new URL(env['DATABASE_URL'] ?? '');
      change(changed);
      return changed.href;
    };
    const broken: readonly Readonly<Record<string, string>>[] = [
      { DATABASE_URL: url((u) => (u.host = NOWHERE)) },
      { DATABASE_URL: url((u) => (u.host = 'no.such.host.invalid')) },
      { DATABASE_URL: url((u) => (u.username = 'nobody')) },
      { DATABASE_URL: url((u) => (u.pathname = '/nowhere')) },
      { DATABASE_URL: url((u) => (u.search = '?sslmode=require')) },
      { AWS_ENDPOINT_URL_S3: `http://u:${secrets.s3}@${NOWHERE}` },
      { AWS_ACCESS_KEY_ID: 'nobody' },
      { TEMPORAL_API_KEY: secrets.apiKey },
      { TEMPORAL_API_KEY: secrets.apiKey, TEMPORAL_ADDRESS: NOWHERE },
      { TEMPORAL_TLS: 'true', TEMPORAL_TLS_CLIENT_KEY_DATA: pem, TEMPORAL_TLS_CLIENT_CERT_DATA: pem },
      { TEMPORAL_TLS: 'true', TEMPORAL_TLS_CLIENT_KEY_PATH: key, TEMPORAL_TLS_CLIENT_CERT_PATH: key },
    ];
    // Read by one function for both: the client is enough.
    const malformed: typeof broken = [
      { DATABASE_URL: url((u) => (u.search = '?sslmode=nope')) },
      { DATABASE_URL: `postgres://u:${password}@[::1/d` },
      { DATABASE_URL: `postgres://u:${password}%zz@127.0.0.1/d` },
      { DATABASE_URL: `postgres://u:1?${password}@127.0.0.1/d` },
      { DATABASE_URL: `postgres://127.0.0.1/d?password=${password}` },
      { DATABASE_URL: `postgres://u@127.0.0.1/d?${password}` },
      { DATABASE_URL: `postgres://u@127.0.0.1/d?sslmode=${password}` },
      { DATABASE_URL: `postgres://u@127.0.0.1/d?sslmode=verify-full&sslrootcert=/${password}` },
      { DATABASE_URL: `mysql://u:${password}@127.0.0.1/d` },
      { DATABASE_URL: password },
      { AWS_ENDPOINT_URL_S3: `ftp://u:${secrets.s3}@${NOWHERE}` },
      { AWS_ACCESS_KEY_ID: '' },
      { TEMPORAL_CONFIG_FILE: profile },
      { TIDEMARK_WEBHOOK_URL: `ftp://${NOWHERE}/${secrets.webhookUrl}` },
      { TIDEMARK_WEBHOOK_URL: secrets.webhookUrl },
    ];
    const failures: { status: number | null; what: string }[] = [];
    const client = ['dist/client.js', 'status'];
    const temporal = ['dist/client.js', 'schedule', 'list'];
    const left = [
      ...broken.flatMap((change) => {
        const isTemporals = Object.keys(change).some((name) => name.startsWith('TEMPORAL'));
        return [isTemporals ? temporal : client, ['dist/worker.js']].map((args) => ({ args, change }));
      }),
      ...malformed.map((change) => ({ args: client, change })),
    ];
    const tryNext = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) {
        const { args, change } = next;
        const { status, stdout, stderr } = await world.command(args, {
          ...env,
          ...change,
        });
        const what = `${args.join(' ')}, changed: ${Object.keys(change).join(', ')}`;
        failures.push({ status, what });
        assert.match(stderr, /tidemark: /, what);
        assert.doesNotMatch(stderr, /a defect of Tidemark/, what);
        silent(stdout + stderr, what);
      }
    };
    await Promise.all([tryNext(), tryNext(), tryNext()]);
    assert.deepEqual(
      failures.filter(({ status }) => status !== 1),
      [],
    );
    assert.equal(failures.length, 2 * broken.length + malformed.length);
  });
});

/** The command lines of all processes that were seen until the signal comes. */
async function processList(signal: AbortSignal): Promise<string> {
  const seen = new Set<string>();
  const ended = once(signal, 'abort');
  for (let over = false; !over;) {
    for (const pid of await readdir('/proc')) {
      if (/^\d+$/.test(pid)) seen.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
    }
    over = await Promise.race([ended.then(() => true), delay(50).then(() => false)]);
  }
  return [...seen].join('\n');
}
