import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Client } from 'pg';
import { startStack, type Stack } from '../../dev/embedded.ts';
import { built } from '../support/built.ts';
import { findProgram, TEMPORAL, VERSITYGW } from '../../dev/servers/binaries.ts';
import { composeEnvironment } from '../support/deployment.ts';
import { docsCommands } from '../support/docsCommands.ts';
import { WorkerProcess } from '../support/faults/processes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCKER = join(ROOT, 'temporal-docker');
const run = promisify(execFile);

describe('what the compose file’s one-shot services do', function () {
  this.timeout(120_000);
  let stack: Stack;
  let programs: string;

  before(async () => {
    [stack] = await Promise.all([startStack(), built()]);
    programs = await mkdtemp(join(tmpdir(), 'tidemark-programs-'));
    for (const program of [TEMPORAL, VERSITYGW])
      await symlink(await findProgram(program, stack.surroundings), join(programs, program.name));
  });
  after(async () => {
    await stack.stop();
    await rm(programs, { recursive: true });
  });

  /** Runs a service's command here: its addresses are the stack's, and all else is as the compose file says. */
  async function once(service: string, command: readonly string[], more: object = {}): Promise<string> {
    const [program = '', ...args] = command;
    const env = {
      ...(await composeEnvironment(service)),
      AWS_ENDPOINT_URL_S3: stack.env['AWS_ENDPOINT_URL_S3'],
      TEMPORAL_ADDRESS: stack.env['TEMPORAL_ADDRESS'],
      ...more,
      HOME: programs,
      PATH: `${programs}:${process.env['PATH']}`,
    };
    return (await run(program, args, { cwd: ROOT, env })).stdout;
  }

  /** The database that the URL of a service names, on the stack's server. */
  async function urlOf(service: string): Promise<string> {
    const url = new URL((await composeEnvironment(service))['DATABASE_URL'] ?? '');
    url.host = new URL(stack.adminDatabaseUrl).host;
    return url.href;
  }

  it('roles and databases are made, the owner migrates, and the worker has its rights and no others', async () => {
    const admin = new URL(stack.adminDatabaseUrl);
    admin.pathname = '/postgres';
    const roles = join(DOCKER, 'postgres/roles.sql');
    await once('postgres', ['psql', '--no-psqlrc', '-v', 'ON_ERROR_STOP=1', '-f', roles, admin.href]);
    const migrate = [process.execPath, 'dist/client.js', 'migrate'];
    assert.match(await once('migrate', migrate, { DATABASE_URL: await urlOf('migrate') }), /applied 0001_/);

    const worker = new Client({ connectionString: await urlOf('worker') });
    await worker.connect();
    try {
      await worker.query('create temporary table staged as select * from tickets.inc');
      await assert.rejects(worker.query('delete from tickets.import_meta'), { code: '42501' });
    } finally {
      await worker.end();
    }
    const rebuilder = new Client({ connectionString: await urlOf('rebuilder') });
    await rebuilder.connect();
    try {
      await rebuilder.query('create table tickets_rebuild.inc_1 as select * from tickets.inc');
      await assert.rejects(rebuilder.query('truncate tickets.inc'), { code: '42501' });
    } finally {
      await rebuilder.end();
    }
    const elsewhere = new URL(await urlOf('worker'));
    elsewhere.pathname = '/temporal';
    await assert.rejects(new Client({ connectionString: elsewhere.href }).connect(), { code: '42501' });
  });

  it('the S3 user and the bucket are made, twice, and the worker has its rights and no others', async () => {
    const administrator = {
      AWS_ACCESS_KEY_ID: stack.env['AWS_ACCESS_KEY_ID'],
      AWS_SECRET_ACCESS_KEY: stack.env['AWS_SECRET_ACCESS_KEY'],
      ADMIN_ENDPOINT_URL: stack.env['AWS_ENDPOINT_URL_S3'],
      ADMIN_ACCESS_KEY_ID: stack.env['AWS_ACCESS_KEY_ID'],
      ADMIN_SECRET_ACCESS_KEY: stack.env['AWS_SECRET_ACCESS_KEY'],
    };
    const worker = await composeEnvironment('worker');
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = worker;
    for (let time = 1; time <= 2; time++) {
      await once('s3-user', ['sh', join(DOCKER, 's3/user.sh')], administrator);
      const bucket = join(DOCKER, 's3/bucket.js');
      await once('s3-bucket', [process.execPath, bucket, 'tickets', accessKeyId], administrator);
    }
    const s3 = new S3Client({
      endpoint: stack.env['AWS_ENDPOINT_URL_S3'] ?? '',
      region: worker['AWS_REGION'] ?? '',
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    });
    try {
      const Prefix = 'automations/inc/changes/';
      assert.equal((await s3.send(new ListObjectsV2Command({ Bucket: 'tickets', Prefix }))).KeyCount, 0);
      await assert.rejects(
        s3.send(new PutObjectCommand({ Bucket: 'tickets', Key: `${Prefix}x`, Body: 'x' })),
        { name: 'AccessDenied' },
      );
    } finally {
      s3.destroy();
    }
  });

  it('a namespace is made, and left alone where it is there', async () => {
    const script = ['sh', join(DOCKER, 'temporal/namespace.sh')];
    const another = { TEMPORAL_NAMESPACE: 'another' };
    await once('temporal-namespace', script, another);
    assert.match(await once('temporal-namespace', script, another), /NamespaceInfo.Name\s+another/);
  });

  it('the verbs of docs/deployment.md, typed in their order beside a worker, end with 0, and all is well', async () => {
    const env = {
      ...(await composeEnvironment('worker')),
      AWS_ENDPOINT_URL_S3: stack.env['AWS_ENDPOINT_URL_S3'] ?? '',
      TEMPORAL_ADDRESS: stack.env['TEMPORAL_ADDRESS'] ?? '',
      DATABASE_URL: await urlOf('worker'),
      TIDEMARK_HTTP_PORT: '0',
    };
    const worker = await WorkerProcess.start(env);
    try {
      await worker.works();
      const typed = (await docsCommands()).filter(({ page }) => page === 'docs/deployment.md');
      const verbs = typed.flatMap(
        ({ text }) => /^docker compose exec worker tidemark (.*)$/.exec(text)?.[1] ?? [],
      );
      assert.deepEqual(verbs, ['schedule apply', 'doctor']);
      let said = '';
      for (const verb of verbs)
        said += await once('worker', [process.execPath, 'dist/client.js', ...verb.split(' ')], env);
      assert.match(said, /^created ingest-inc: \*\/5 \* \* \* \* \(Africa\/Nairobi\)$/m);
      assert.match(said, /^note +temporal\.rebuilder +no rebuilder runs/m);
      assert.doesNotMatch(said, /^problem/m);
    } finally {
      await worker.end();
    }
  });
});
