import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { runInShell } from '../support/docsShell.ts';
import { until } from '../support/faults/bounds.ts';
import { WorkerProcess } from '../support/faults/processes.ts';
import { FuelProject } from '../support/fuelProject.ts';
import { hear } from '../support/hush.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { rebuilderUrl } from '../support/shared.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const BUCKET = 'fuel';
/** Compiles, bundles and starts. */
const START_MS = 120_000;

/** A program of the copy, in a group of its own. */
interface Running {
  readonly child: ChildProcess;
  said: string;
}

/** Who follows the page has `inc` at work, on a worker that knows no other dataset of theirs. */
describe('docs/adding-a-dataset.md, followed for fuel', function () {
  this.timeout(300_000);
  let world: World;
  let project: FuelProject;
  let old: WorkerProcess;
  const running: Running[] = [];

  before(async () => {
    world = await openWorld();
    old = await WorkerProcess.start(world.env);
    await old.works();
    await world.client('schedule', 'apply', 'inc');
    project = await FuelProject.copy();
    await project.addSources();
    await emptyBucket();
    await put(1, project.block('csv'));
  });
  after(async () => {
    await endAll();
    await world.client('schedule', 'delete', 'inc');
    await type('tidemark schedule delete fuel');
    await world.close();
    await project.remove();
  });

  async function emptyBucket(): Promise<void> {
    await world.s3.send(new CreateBucketCommand({ Bucket: BUCKET })).catch(() => undefined);
    for (const Key of await keys()) await world.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }));
  }

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await world.s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    return Contents.map(({ Key = '' }) => Key);
  }

  async function put(n: number, text: string): Promise<void> {
    const Body = Buffer.from(text.replaceAll('“', '\u0093').replaceAll('”', '\u0094'), 'latin1');
    const Key = `fuel_records/${fileName(n)}`;
    await world.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
  }

  async function type(command: string): Promise<Printed> {
    const owner = command.endsWith(' migrate') ? { DATABASE_URL: world.ownerUrl } : {};
    const env = { ...world.env, PATH: process.env['PATH'] ?? '', ROOT: project.folder, ...owner };
    // The shell's own `npm` would not build.
    return runInShell(command.replace(/^npm /, 'cd "$ROOT" && command npm '), { folder: '', env });
  }

  async function typed(command: string): Promise<string> {
    const { status, stdout, stderr } = await type(command);
    assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Starts what runs until it is ended. */
  function start(command: string, env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn('bash', ['-c', command], {
      cwd: project.folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...world.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const one = { child, said: '' };
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => {
        one.said += data.toString();
        hear(data.toString());
      });
    running.push(one);
    return one;
  }

  async function works(one: Running): Promise<void> {
    await until(
      START_MS,
      'it works',
      () => one.child.exitCode !== null || /"state":"RUNNING"/.test(one.said),
    );
    assert.equal(one.child.exitCode, null, one.said);
  }

  async function endAll(): Promise<void> {
    await old.end();
    for (const { child } of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
      const exit = once(child, 'exit');
      process.kill(-child.pid, 'SIGTERM');
      await exit;
    }
  }

  /** Does what a section says. @returns what its last command printed */
  async function follow(heading: string): Promise<string> {
    let said = '';
    for (const command of project.commands(heading)) {
      if (command === 'npm run worker') {
        await endAll();
        await works(start(command));
      } else said = await typed(command);
    }
    return said;
  }

  it('it is checked, compiled, loaded by hand, and switched on', async () => {
    assert.match(await follow('4. Checking it'), /1 file applied, 1 archived/);
    await project.enable();
    await follow('5. Switching it on');
    assert.deepEqual(await keys(), [`fuel_processed/${fileName(1)}`]);
    assert.deepEqual(
      await world.db.query(
        'select record_id as id, station, litres::text, full_tank from tickets.fuel order by 1',
      ),
      [
        { id: 'F-1', station: 'Kisumu', litres: '41.5', full_tank: true },
        { id: 'F-2', station: 'Nairobi West', litres: '12', full_tank: false },
        { id: 'F-3', station: 'Café “Acacia”', litres: '30', full_tank: false },
      ],
    );
  });

  it('then it takes a delta, is rebuilt and verified like any other', async () => {
    const [header] = project.block('csv').split('\n');
    await put(2, `${header}\nF-2;Depot 9;12.5;maybe;;2026-03-02 00:00:00;\n`);
    await typed('tidemark start fuel --wait');
    await world.db.query(`update tickets.fuel set litres = 0 where record_id = 'F-1'`);
    start('node dist/rebuilder.js', { DATABASE_URL: rebuilderUrl(world.shared.stack, world.name) });
    await typed(`tidemark rebuild fuel --reason 'by hand' --yes --wait`);
    assert.deepEqual(
      await world.db.query('select record_id as id, litres::text from tickets.fuel order by 1'),
      [
        { id: 'F-1', litres: '41.5' },
        { id: 'F-2', litres: '12.5' },
        { id: 'F-3', litres: '30' },
      ],
    );
    await typed('tidemark verify fuel');
  });

  it('a worker that starts without its bucket says so, and loads the other datasets', async () => {
    await endAll();
    await emptyBucket();
    await world.s3.send(new DeleteBucketCommand({ Bucket: BUCKET }));
    const worker = start('node dist/worker.js');
    await works(worker);
    const line = worker.said.split('\n').find((text) => text.includes('"dataset":"fuel"')) ?? '{}';
    const { message, kind } = JSON.parse(line) as { message?: string; kind?: string };
    assert.equal(kind, 'S3Refused');
    assert.match(
      message ?? '',
      /^fuel: S3 refuses .*bucket fuel.*\[NoSuchBucket\]\. Check the bucket, .*those of other datasets go on$/,
    );
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    assert.match(await typed('tidemark start inc --wait'), /1 file applied, 1 archived/);
  });
});
