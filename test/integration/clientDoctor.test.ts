import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile, chmod } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { whoActs } from '../../src/client/whoActs.ts';
import { rebuildQueue } from '../../src/client/rebuildQueue.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { readServerFacts, roomOf } from '../../src/postgres/inspect.ts';
import { createPool } from '../../src/postgres/pool.ts';
import { until } from '../support/faults/bounds.ts';
import { fakeClock } from '../support/faults/processes.ts';
import { createUser, documentedPolicy, grant } from '../support/s3User.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { databaseUrl, loaderUrl } from '../support/shared.ts';
import { openWorld, type World } from '../support/world.ts';

interface Check {
  readonly check: string;
  readonly level: string;
  readonly what: string;
  readonly mend?: string;
}

type Env = Readonly<Record<string, string>>;

describe('tidemark doctor', function () {
  this.timeout(180_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(async () => {
    await world.client('schedule', 'delete');
    await world.close();
  });

  async function doctor(env: Env = {}): Promise<{ status: number | null; stderr: string; checks: Check[] }> {
    const args = ['dist/client.js', 'doctor', '--json'];
    const { status, stdout, stderr } = await world.command(args, { ...world.env, ...env });
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
    assert.equal(ok, status === 0);
    return { status, stderr, checks };
  }

  /** What is not as it should be, of the checks whose name begins so. */
  const faults = (checks: readonly Check[], prefix = ''): Check[] =>
    checks.filter(
      ({ check, level }) => check.startsWith(prefix) && (level === 'problem' || level === 'warning'),
    );

  it('a world that is in order: no warning, status 0, a line for each check', async () => {
    const user = await createUser(world.shared.stack);
    await grant(world.s3, world.name, user, await documentedPolicy(world.name));
    const env = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    await world.work();
    await world.client('schedule', 'apply');
    const { status, stderr, checks } = await doctor(env);
    assert.deepEqual([status, stderr, faults(checks)], [0, '', []]);
    assert.deepEqual(
      checks.filter(
        ({ check, level }) => level === 'note' && !/conditions|searchAttributes|rebuilder/.test(check),
      ),
      [],
    );
    const names = new Set(checks.map(({ check }) => check));
    for (const name of [
      'configuration',
      ...['connection', 'version', 'pooler', 'role', 'migrations', 'rights', 'table.inc', 'settings'].map(
        (name) => `postgres.${name}`,
      ),
      ...['connection', 'rights.inc', 'conditions'].map((name) => `s3.${name}`),
      ...['connection', 'schedule.inc', 'workers', 'largeFiles', 'rebuilder', 'searchAttributes'].map(
        (name) => `temporal.${name}`,
      ),
      'clocks',
      'clocks.future',
    ])
      assert.ok(names.has(name), name);
    const { stdout } = await world.client('doctor');
    assert.match(stdout, /^ok {6} configuration +the environment can be read\nok /);
    assert.match(
      stdout,
      /\nnote {4} s3\.rights\.inc +s3:DeleteObject is allowed under automations\/inc\/processed\//,
    );
    assert.deepEqual(await world.keys(), []);
  });

  it('the configuration: all problems at once', async () => {
    const { status, checks } = await doctor({ DATABASE_URL: 'nope', S3_BUCKET: 'No' });
    assert.equal(status, 1);
    assert.deepEqual(
      faults(checks).map(({ what }) => what.split(' ')[0]),
      ['DATABASE_URL', 'S3_BUCKET'],
    );
  });

  it('rights that the group lost, with the statements that mend them', async () => {
    await world.db.query(`revoke update (archived_at) on tickets.import_meta from tidemark_worker`);
    await world.db.query(`revoke insert on tickets.inc from tidemark_worker`);
    await world.db.query(`revoke execute on function tickets.mark_missing from tidemark_worker`);
    const { status, checks } = await doctor();
    const [fault, ...more] = faults(checks, 'postgres');
    assert.deepEqual([status, fault?.check, more], [1, 'postgres.rights', []]);
    assert.match(
      fault?.mend ?? '',
      /grant execute on function tickets\.mark_missing\(text, text\[\]\) to tidemark_worker;/,
    );
    for (const statement of (fault?.mend ?? '').split(/(?<=;) /)) await world.db.query(statement);
    assert.deepEqual(faults((await doctor()).checks, 'postgres'), []);
  });

  it('a function that a migration makes and somebody dropped', async () => {
    await world.db.query('drop function tickets.mark_missing');
    const [fault] = faults((await doctor()).checks, 'postgres.migrations');
    assert.match(fault?.what ?? '', /missing: tickets\.mark_missing\(text, text\[\]\)$/);
  });

  it('a login that is no member is told which grant it lacks', async () => {
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    url.username = `login_${process.pid}_doctor`;
    await world.shared.admin.unsafe(`create role ${url.username} login password '${url.password}'`);
    await world.shared.admin.unsafe(`grant connect on database ${world.name} to ${url.username}`);
    const { checks } = await doctor({ DATABASE_URL: url.href });
    const fault = faults(checks, 'postgres.rights')[0];
    assert.equal(fault?.mend, `grant tidemark_worker to "${url.username}";`);
    await world.shared.admin.unsafe(fault?.mend ?? '');
    assert.deepEqual(faults((await doctor({ DATABASE_URL: url.href })).checks, 'postgres'), []);
  });

  it('the table: a missing column, a wrong type, a lost key, a column nobody fills, with the SQL that mends each', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.db.query(
      `alter table tickets.inc drop column mttr, drop column source_key, drop column loaded_at`,
    );
    await world.db.query(`alter table tickets.inc alter column created_week type text`);
    await world.db.query(`alter table tickets.inc drop constraint inc_pkey`);
    await world.db.query(`alter table tickets.inc add column foreign_note text not null default ''`);
    await world.db.query(`alter table tickets.inc alter column foreign_note drop default`);
    const { status, checks } = await doctor();
    const found = faults(checks, 'postgres.table.inc');
    assert.deepEqual([status, found.length], [1, 6]);
    for (const { mend } of found) await world.db.query(mend ?? '');
    assert.deepEqual(faults((await doctor()).checks, 'postgres'), []);
    // Where a row came from is not known, and is not null either: a load and `verify` go on.
    const rows = await world.db.query('select source_key, loaded_at is not null as loaded from tickets.inc');
    assert.deepEqual(rows, [{ source_key: '', loaded: true }]);
  });

  it('no migration applied', async () => {
    await world.db.query('drop schema tickets cascade');
    const [fault] = faults((await doctor()).checks, 'postgres.migrations');
    assert.deepEqual([fault?.level, fault?.mend], ['problem', 'tidemark migrate']);
  });

  it('settings: a time-out that ends loads, and no room for a worker’s connections', async () => {
    const owner = { DATABASE_URL: databaseUrl(world.shared.stack, world.name) };
    await world.shared.admin.unsafe(`alter database ${world.name} set statement_timeout = '30s'`);
    await world.shared.admin.unsafe(`alter database ${world.name} connection limit 20`);
    const found = faults((await doctor(owner)).checks, 'postgres.settings').map(({ what }) => what);
    assert.match(
      found.join('\n'),
      /^statement_timeout is 30 s: .*\na worker opens up to 24 connections \(TIDEMARK_LOADS = 8, three each\), and of max_connections = .*; login and database may have 20$/,
    );
  });

  it('connections: what other workers may open counts, not what they have open; so does what is reserved', async () => {
    const { stack } = world.shared;
    const kept = await reserved();
    const before = await readServerFacts(world.deps.pool);
    assert.equal(before.reservedConnections, kept);
    const others = [30, 10_000].map((size) =>
      createPool(parseDatabaseUrl(loaderUrl(stack, world.name)), size),
    );
    try {
      await others[0]?.query('select 1');
      const facts = await readServerFacts(world.deps.pool);
      assert.deepEqual([facts.pools - before.pools, facts.poolConnections - before.poolConnections], [1, 30]);
      assert.equal(facts.otherConnections, before.otherConnections);
      assert.equal(roomOf(before) - roomOf(facts), 30);
      await others[1]?.query('select 1');
      const [found] = faults((await doctor()).checks, 'postgres.settings');
      assert.match(
        found?.what ?? '',
        /\d+ are reserved, \d+ other pools? of workers, their metrics and rebuilders may open 1\d{4} \(/,
      );
    } finally {
      await Promise.all(others.map((pool) => pool.end()));
    }
  });

  async function reserved(): Promise<number> {
    const rows = await world.db.query<{ setting: string }>(
      `select setting from pg_settings where name in ('superuser_reserved_connections', 'reserved_connections')`,
    );
    return rows.reduce((sum, { setting }) => sum + Number(setting), 0);
  }

  it('S3: a wrong bucket, and each right that a policy lacks', async () => {
    const [wrong] = faults((await doctor({ S3_BUCKET: 'nosuchbucket' })).checks, 's3');
    assert.match(wrong?.what ?? '', /bucket nosuchbucket\) \[NoSuchBucket\]/);
    const user = await createUser(world.shared.stack);
    const env = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    const policy = await documentedPolicy(world.name);
    const without = (action: string) =>
      policy.flatMap((one) => {
        const Action = [one.Action].flat().filter((name) => name !== action);
        return Action.length > 0 ? [{ ...one, Action }] : [];
      });
    for (const action of ['s3:GetObject', 's3:DeleteObject', 's3:PutObject']) {
      await grant(world.s3, world.name, user, without(action));
      const { status, checks } = await doctor(env);
      assert.equal(status, 1);
      const denied = faults(checks, 's3.rights.inc').filter(({ what }) =>
        what.startsWith(`${action} is denied`),
      );
      assert.ok(denied.length > 0, action);
    }
  });

  it('clocks: this machine is ten minutes fast', async () => {
    const { status, checks } = await doctor(await fakeClock('+10m'));
    const found = faults(checks, 'clocks').map(({ what }) => what);
    assert.equal(status, 1);
    assert.equal(found.length, 2);
    for (const what of found)
      assert.match(what, /this machine is (59\d|60\d) s ahead of that of (PostgreSQL|S3)/);
  });

  it('Temporal: no Schedule, a paused one, another queue, no worker, no namespace', async () => {
    const bare = faults((await doctor()).checks, 'temporal');
    assert.deepEqual(
      bare.map(({ check, mend }) => [check, mend]),
      [
        ['temporal.schedule.inc', 'tidemark schedule apply inc'],
        ['temporal.workers', 'npm run worker, with the same TIDEMARK_TASK_QUEUE'],
      ],
    );
    await world.client('schedule', 'apply');
    await world.client('schedule', 'pause', 'inc', '--reason', 'moving');
    const paused = faults((await doctor()).checks, 'temporal.schedule');
    assert.deepEqual(
      paused.map(({ level, what, mend }) => [level, what, mend]),
      [['warning', `ingest-inc is paused (moving (${whoActs()}))`, 'tidemark schedule resume inc']],
    );
    const elsewhere = faults((await doctor({ TIDEMARK_TASK_QUEUE: 'other' })).checks, 'temporal.schedule');
    assert.match(elsewhere.map(({ what }) => what).join(' '), /starts runs on another task queue than other/);
    const [nowhere] = faults((await doctor({ TEMPORAL_NAMESPACE: 'nope' })).checks, 'temporal');
    assert.match(nowhere?.what ?? '', /there is no namespace nope/);
  });

  it('Temporal: how the last scheduled run failed, and what to do', async () => {
    const { temporal } = world.shared;
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    const forgotten = await world.put(
      world.dataset.processedPrefix + fileName(2),
      incFile([{ ticket_id: 'B' }]),
    );
    await world.work();
    await world.client('schedule', 'apply');
    await world.client('schedule', 'trigger', 'inc');
    let id: string | undefined;
    await until(20_000, 'the run', async () => {
      const { info } = await temporal.schedule.getHandle('ingest-inc').describe();
      id = info.recentActions.at(-1)?.action.workflow.workflowId;
      return id !== undefined;
    });
    await assert.rejects(temporal.workflow.getHandle(id ?? '').result());
    const [fault] = faults((await doctor()).checks, 'temporal.schedule');
    assert.ok(
      fault?.what.includes(`ended as failed: ${id} with LedgerBehind: inc ${forgotten}: it is archived`),
      fault?.what,
    );
    assert.match(fault?.mend ?? '', /^tidemark plan inc, and docs\/operations\.md/);
  });

  it('Temporal: a run that is open, and has listed nothing for ten times of the schedule', async () => {
    const workflowId = 'ingest-inc-manual';
    const options = { args: [{ dataset: 'inc' }], taskQueue: `${world.name}-nobody`, workflowId };
    const handle = await world.shared.temporal.workflow.start('ingestDataset', options);
    try {
      assert.deepEqual(faults((await doctor()).checks, 'temporal.run'), []);
      const [fault] = faults((await doctor(await fakeClock('+2h'))).checks, 'temporal.run');
      assert.match(fault?.what ?? '', /^the run ingest-inc-manual is open for 2 h, .* nothing for 2 h;/);
      assert.match(fault?.mend ?? '', /temporal workflow terminate --workflow-id ingest-inc-manual/);
    } finally {
      await handle.terminate();
    }
  });

  it('Temporal: a rebuilder is told of; a queue that nobody asks for large files is a note', async () => {
    await world.rebuildWork();
    await world.work();
    const level = async (check: string, env: Env = {}): Promise<string | undefined> =>
      (await doctor(env)).checks.find((found) => found.check === `temporal.${check}`)?.level;
    assert.equal(await level('rebuilder'), 'ok');
    // A rebuilder's queue is one where workers are, and ask for no large files.
    const queue = { TIDEMARK_TASK_QUEUE: rebuildQueue(world.name) };
    assert.deepEqual([await level('workers', queue), await level('largeFiles', queue)], ['ok', 'note']);
  });

  it('servers that are dead or silent are told in time, and the others are checked', async () => {
    const silent = await listening();
    const host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    url.host = host;
    const begun = Date.now();
    for (const env of [
      { DATABASE_URL: url.href, AWS_ENDPOINT_URL_S3: `http://${host}`, TEMPORAL_ADDRESS: host },
      { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1', TEMPORAL_ADDRESS: '127.0.0.1:1' },
    ]) {
      const { status, checks } = await doctor(env);
      assert.equal(status, 1);
      const dead = faults(checks).map(({ check }) => check);
      assert.deepEqual(dead, 'DATABASE_URL' in env ? ['postgres', 's3', 'temporal'] : ['s3', 'temporal']);
    }
    assert.ok(Date.now() - begun < 60_000);
    silent.close();
  });

  it('a transaction pooler is told from one of sessions', async () => {
    for (const mode of ['transaction', 'session'] as const) {
      const pooler = await startPooler(world, mode);
      try {
        const { checks } = await doctor({ DATABASE_URL: pooler.url });
        const level = checks.find(({ check }) => check === 'postgres.pooler')?.level;
        assert.equal(level, mode === 'session' ? 'ok' : 'problem', JSON.stringify(checks));
      } finally {
        await pooler.stop();
      }
    }
  });
});

/** A server that takes connections and says nothing. */
async function listening(): Promise<Server> {
  const server = createServer();
  server.on('connection', (socket) => socket.unref().on('error', () => undefined));
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return server;
}

/** PgBouncer before the world's database. */
async function startPooler(
  { env, name }: World,
  mode: 'transaction' | 'session',
): Promise<{ url: string; stop(): Promise<void> }> {
  const free = await listening();
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const url = new URL(env['DATABASE_URL'] ?? '');
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-pooler-'));
  await chmod(directory, 0o755);
  const users = join(directory, 'users.txt');
  await writeFile(users, `"${url.username}" "${url.password}"\n`);
  const ini = join(directory, 'pgbouncer.ini');
  await writeFile(
    ini,
    `[databases]\n${name} = host=127.0.0.1 port=${url.port} user=${url.username} password=${url.password}\n` +
      `[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nauth_type = plain\nauth_file = ${users}\n` +
      `pool_mode = ${mode}\nunix_socket_dir =\n`,
  );
  const args = process.getuid?.() === 0 ? ['-u', 'nobody', ini] : [ini];
  const child: ChildProcess = spawn('pgbouncer', args, {
    env: { PATH: `${process.env['PATH']}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('pgbouncer ended')));
    child.stderr?.on('data', (data: Buffer) => data.includes('process up') && resolve());
  });
  url.port = String(port);
  return {
    url: url.href,
    async stop() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
      await rm(directory, { recursive: true });
    },
  };
}
