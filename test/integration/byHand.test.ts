import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { findProgram, TEMPORAL } from '../../dev/servers/binaries.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const run = promisify(execFile);

describe('what a user starts by hand', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it('the Temporal CLI alone starts a run', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.work();
    const temporal = await findProgram(TEMPORAL, world.shared.stack.surroundings);
    const command = `workflow execute --type ingestDataset --task-queue ${world.name} --workflow-id ${world.name}-cli`;
    const { stdout } = await run(temporal, [
      ...command.split(' '),
      '--input',
      '{"dataset":"inc"}',
      '--address',
      world.env['TEMPORAL_ADDRESS'] ?? '',
      '--output',
      'json',
    ]);
    assert.equal((JSON.parse(stdout) as { result: { applied: number } }).result.applied, 1);
  });

  it('a dataset that does not exist fails the run with the known ones', async () => {
    await world.work();
    const handle = await world.shared.temporal.workflow.start('ingestDataset', {
      args: [{ dataset: 'nosuch' }],
      taskQueue: world.name,
      workflowId: `${world.name}-nosuch`,
    });
    await assert.rejects(handle.result(), (error: Error) => {
      const { message, type } = error.cause as Error & { type?: string };
      assert.match(message, /no such dataset; known: inc/);
      return type === 'UnknownDataset';
    });
  });

  it('a start without input ends with what the input is', async () => {
    await world.work();
    const handle = await world.shared.temporal.workflow.start('ingestDataset', {
      taskQueue: world.name,
      workflowId: `${world.name}-bare`,
    });
    await assert.rejects(handle.result(), (error: Error) =>
      /needs an input such as/.test(String(error.cause)),
    );
  });

  for (const [what, variable, value] of [
    ['PostgreSQL', 'DATABASE_URL', (port: number) => `postgres://u:topsecret@127.0.0.1:${port}/d`],
    ['S3', 'AWS_ENDPOINT_URL_S3', (port: number) => `http://127.0.0.1:${port}`],
    ['Temporal', 'TEMPORAL_ADDRESS', (port: number) => `127.0.0.1:${port}`],
  ] as const) {
    it(`a worker that cannot reach ${what} says so in a line and ends`, async () => {
      const env = { ...world.env, [variable]: value(await closedPort()) };
      const { status, stderr } = await world.command(['dist/worker.js'], env);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`^tidemark: .*${what}`, 'm'));
      assert.doesNotMatch(stderr, /topsecret|^\s+at /m);
    });
  }

  it('a worker with a bad environment says every problem at once', async () => {
    const { status, stderr } = await world.command(['dist/worker.js'], { S3_BUCKET: '!' });
    assert.equal(status, 1);
    for (const name of ['DATABASE_URL', 'S3_BUCKET', 'AWS_REGION'])
      assert.match(stderr, new RegExp(`- ${name} `));
    assert.doesNotMatch(stderr, /^\s+at /m);
  });

  it('a worker ends at SIGTERM, its work done or given back', async () => {
    const worker = world.workProcess();
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    await (await world.start()).result();
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGTERM');
    assert.equal(await exit, 0);
  });
});

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
