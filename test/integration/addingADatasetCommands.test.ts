import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { commandsOf } from '../support/docsCommands.ts';
import { runInShell } from '../support/docsShell.ts';
import { hear } from '../support/hush.ts';
import { fileName } from '../support/incFile.ts';
import { rebuilderUrl } from '../support/shared.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUCKET = 'fuel';

/** The program as who follows the page has it: a copy of the build, with the page's definition and migration in it. */
describe('the commands of docs/adding-a-dataset.md, typed for fuel itself', function () {
  this.timeout(180_000);
  let world: World;
  let page: string;
  let copy: string;
  const running: ChildProcess[] = [];

  before(async () => {
    page = await readFile(join(ROOT, 'docs/adding-a-dataset.md'), 'utf8');
    world = await openWorld();
    copy = await mkdtemp(join(tmpdir(), 'tidemark-fuel-'));
    for (const part of ['dist', 'migrations', 'package.json'])
      await cp(join(ROOT, part), join(copy, part), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    await writeFile(join(copy, 'migrations/0100_fuel.sql'), block('sql'));
    await define(block('ts'));
    const index = join(copy, 'dist/datasets/index.js');
    const text = await readFile(index, 'utf8');
    assert.ok(page.includes('`DATASETS = [inc, crq, fuel]`') && text.includes('DATASETS = [inc, crq]'));
    await writeFile(
      index,
      `import { fuel } from './fuel.js';\n${text.replace('DATASETS = [inc, crq]', 'DATASETS = [inc, crq, fuel]')}`,
    );
    await emptyBucket();
  });
  after(async () => {
    for (const child of running.splice(0)) await end(child);
    await type('tidemark schedule delete inc');
    await world.close();
    await rm(copy, { recursive: true });
  });

  function block(language: string): string {
    return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1] ?? '';
  }

  /** The page's definition has no types, so that it is JavaScript as it stands. */
  async function define(text: string): Promise<void> {
    await writeFile(
      join(copy, 'dist/datasets/fuel.js'),
      text.replace('./defineDataset.ts', './defineDataset.js'),
    );
  }

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
    const env = { ...world.env, PATH: process.env['PATH'] ?? '', ROOT: copy, ...owner };
    return runInShell(command, { folder: '', env });
  }

  async function typed(command: string): Promise<string> {
    const { status, stdout, stderr } = await type(command);
    assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
    return stdout;
  }

  /** The page's commands of the client, in the block in which this one stands. */
  function blockWith(command: string): readonly string[] {
    const found = commandsOf(page).find((commands) => commands.includes(command));
    assert.ok(found, command);
    return found.filter((text) => text.startsWith('tidemark '));
  }

  function start(program: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn(process.execPath, [join(copy, 'dist', program)], {
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...world.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => hear(data.toString()));
    running.push(child);
    return child;
  }

  async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  }

  it('it is migrated, planned, loaded, switched on, rebuilt and verified', async () => {
    const csv = block('csv');
    await put(1, csv);
    const checking = blockWith('tidemark plan fuel --scan');
    assert.deepEqual(checking, ['tidemark migrate', 'tidemark plan fuel --scan', 'tidemark status fuel']);
    for (const command of checking) await typed(command);
    const worker = start('worker.js');
    assert.ok(page.includes('`tidemark start fuel --wait`'));
    assert.match(await typed('tidemark start fuel --wait'), /1 file applied, 1 archived/);
    await end(worker);

    await define(block('ts').replace('enabled: false', 'enabled: true'));
    start('worker.js');
    await typed('tidemark schedule apply inc');
    for (const command of blockWith('tidemark schedule apply fuel')) await typed(command);

    await put(2, `${csv.split('\n')[0]}\nF-2;Depot 9;12.5;maybe;;2026-03-02 00:00:00;\n`);
    await typed('tidemark start fuel --wait');
    await world.db.query(`update tickets.fuel set litres = 0 where record_id = 'F-1'`);
    start('rebuilder.js', { DATABASE_URL: rebuilderUrl(world.shared.stack, world.name) });
    await typed(`tidemark rebuild fuel --reason 'by hand' --yes --wait`);
    assert.deepEqual(
      await world.db.query(
        'select record_id as id, station, litres::text from tickets.fuel order by record_id',
      ),
      [
        { id: 'F-1', station: 'Kisumu', litres: '41.5' },
        { id: 'F-2', station: 'Depot 9', litres: '12.5' },
        { id: 'F-3', station: 'Café “Acacia”', litres: '30' },
      ],
    );
    await typed('tidemark verify fuel');
    assert.deepEqual(
      await keys(),
      [1, 2].map((n) => `fuel_processed/${fileName(n)}`),
    );
    assert.ok(page.includes('`tidemark schedule delete fuel`'));
    await typed('tidemark schedule delete fuel');
  });
});
