import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ListBucketsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Client } from 'pg';
import { startStack, type Stack } from '../../dev/embedded.ts';
import { sampleStream } from '../../dev/sample/stream.ts';
import { writeSampleStream } from '../../dev/sample/write.ts';

describe('the embedded stack', function () {
  this.timeout(60_000);

  it('runs several at once without a clash of ports, and leaves no process and no file behind', async () => {
    const stacks = await Promise.all([startStack({ ui: true }), startStack(), startStack({ ui: true })]);
    const pids = stacks.flatMap((stack) => Object.values(stack.servers).map((server) => server.pid()));
    await Promise.all(stacks.map(assertAnswers));
    await Promise.all(stacks.map((stack) => stack.stop()));
    assert.deepEqual(pids.filter(isAlive), []);
    assert.deepEqual(
      stacks.filter((stack) => existsSync(stack.directory)),
      [],
    );
  });

  it('is gone soon after its owner was killed by SIGKILL', async () => {
    const owner = spawn(process.execPath, ['--import', 'tsx', 'dev/stack.ts'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const text of owner.stdout.setEncoding('utf8')) {
      said += String(text);
      if (said.includes('Ctrl-C')) break;
    }
    const port = Number(/DATABASE_URL=.*:(\d+)\//.exec(said)?.[1]);
    const directory = /Logs, data +(\S+)/.exec(said)?.[1] ?? '';
    assert.equal(await accepts(port), true);
    owner.kill('SIGKILL');
    await until(async () => !existsSync(directory) && !(await accepts(port)));
  });

  it('takes the sample stream, a large file in parts, and lists the folder placeholders beside it', async () => {
    const stack = await startStack({ servers: ['s3'] });
    const s3 = s3Of(stack);
    try {
      const files = sampleStream({ rows: 60_000, deltas: [1] });
      const sizes: number[] = [];
      const onWritten = ({ bytes }: { bytes: number }) => sizes.push(bytes);
      await writeSampleStream({ s3, bucket: 'tickets', files, onWritten });
      const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'tickets' }));
      assert.deepEqual(
        Contents?.map(({ Key, Size }) => [Key, Size]),
        [
          ['automations/inc/changes/2025-11-03T06-00-00.csv', sizes[0]],
          ['automations/inc/changes/2025-11-03T06-05-00.csv', sizes[1]],
          ['automations/inc/changes/full/', 0],
          ['automations/inc/changes/latest.csv/', 0],
          ['automations/inc/changes/latest.json/', 0],
        ],
      );
      assert.match(Contents?.[0]?.ETag ?? '', /-2"$/);
    } finally {
      s3.destroy();
      await stack.stop();
    }
  });

  it('stops and starts one server on its own ports and data', async () => {
    const stack = await startStack({ servers: ['postgres'] });
    try {
      await query(stack, 'create table kept (id int)');
      await stack.servers.postgres?.stop('SIGQUIT');
      await assert.rejects(query(stack, 'select 1'), { code: 'ECONNREFUSED' });
      await stack.servers.postgres?.start();
      assert.equal(await query(stack, 'select count(*)::int as value from kept'), 0);
    } finally {
      await stack.stop();
    }
  });

  it('says the last log lines of a server that does not come up, and leaves nothing behind', async () => {
    const bin = await mkdtemp(join(tmpdir(), 'broken-'));
    const directory = await mkdtemp(join(tmpdir(), 'stacks-'));
    await chmod(directory, 0o755);
    const path = process.env['PATH'];
    try {
      await writeFile(join(bin, 'versitygw'), '#!/bin/sh\necho no disk today\nexit 3\n', { mode: 0o755 });
      process.env['PATH'] = `${bin}:${path}`;
      await assert.rejects(startStack({ directory, servers: ['s3', 'postgres'] }), {
        name: 'ServerFailed',
        message: 'S3 (versitygw) ended (exit status 3). Its last log lines:\nno disk today',
      });
      assert.deepEqual(await readdir(directory), []);
    } finally {
      process.env['PATH'] = path;
      await rm(bin, { recursive: true });
      await rm(directory, { recursive: true });
    }
  });
});

async function assertAnswers(stack: Stack): Promise<void> {
  const database = await query(stack, 'select current_database() as value');
  const version = await query(stack, `select current_setting('server_version_num')::int / 10000 as value`);
  assert.deepEqual({ database, version }, { database: 'tidemark', version: 18 });
  const s3 = s3Of(stack);
  const { Buckets } = await s3.send(new ListBucketsCommand({}));
  s3.destroy();
  assert.deepEqual(
    Buckets?.map((bucket) => bucket.Name),
    ['tickets'],
  );
  if (stack.temporalUi !== '') assert.equal((await fetch(stack.temporalUi)).status, 200);
}

function s3Of(stack: Stack): S3Client {
  return new S3Client({
    endpoint: stack.env['AWS_ENDPOINT_URL_S3'] ?? '',
    region: stack.env['AWS_REGION'] ?? '',
    forcePathStyle: true,
    credentials: {
      accessKeyId: stack.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: stack.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
}

async function query(stack: Stack, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: stack.env['DATABASE_URL'] });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ value: unknown }>(sql);
    return rows[0]?.value;
  } finally {
    await client.end();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.destroy() !== undefined));
    socket.once('error', () => resolve(false));
  });
}

/** Waits for the condition; the test's own timeout bounds it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(50);
}
