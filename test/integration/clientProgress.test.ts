import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hear } from '../support/hush.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const START = [process.execPath, 'dist/client.js', 'start', 'inc', '--wait'];
/** What is said of a file that is read and waits for its dataset. */
const MERGING = /file 1 of 2 · 2026-03-01T00-02-00\.csv · 0\.5 MiB read, merging · 400 rows/;

describe('the progress of tidemark start --wait', function () {
  this.timeout(25_000);
  let world: World;

  beforeEach(async () => {
    world = await openWorld();
    const rows = Array.from({ length: 400 }, (_unused, n) => ({
      ticket_id: `L${n}`,
      title: 'x'.repeat(1000),
    }));
    // Not empty: a fill would not wait for its dataset before it is read.
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), incFile(rows));
    await world.put(fileName(3), incFile([{ ticket_id: 'B' }]));
    await world.work();
  });
  afterEach(async () => {
    const open = world.shared.temporal.workflow.getHandle('ingest-inc-manual');
    await open.terminate().catch(() => undefined);
    await world.close();
  });

  interface Waiting {
    readonly child: ChildProcess;
    readonly said: { stdout: string; stderr: string };
  }

  function wait([command = '', ...args]: readonly string[]): Waiting {
    const child = spawn(command, args, {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...world.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (data: Buffer) => {
        said[stream] += data.toString();
        hear(data.toString());
      });
    return { child, said };
  }

  /** Holds the dataset until it is said that its file is read. */
  async function heldUntilSaid({ child, said }: Waiting, stream: 'stdout' | 'stderr'): Promise<void> {
    const began = Date.now();
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state where dataset = 'inc' for update`);
      while (!MERGING.test(said[stream]) && child.exitCode === null && Date.now() - began < 12_000)
        await tx.query('select pg_sleep(0.1)');
    });
    assert.match(said[stream], MERGING);
  }

  it('is a plain line every few seconds where there is no terminal, and the files at the end', async () => {
    const began = Date.now();
    const waiting = wait(START);
    const closed = once(waiting.child, 'close');
    await heldUntilSaid(waiting, 'stderr');
    assert.deepEqual(await closed, [0, null]);
    const lines = waiting.said.stderr.trimEnd().split('\n');
    assert.ok(lines.length <= (Date.now() - began) / 5_000, waiting.said.stderr);
    assert.match(waiting.said.stdout, /T00-02-00\.csv  delta  read 400 .*\n.*T00-03-00\.csv  delta  read 1 /);
    assert.match(waiting.said.stdout, /\n2 files applied, 3 archived\n/);
  });

  it('is a line that changes in place on a terminal, which gets its cursor back', async () => {
    const waiting = wait([
      'script',
      '--quiet',
      '--return',
      '--command',
      `stty cols 200 rows 40; exec ${START.join(' ')}`,
      '/dev/null',
    ]);
    const closed = once(waiting.child, 'close');
    await heldUntilSaid(waiting, 'stdout');
    assert.deepEqual(await closed, [0, null]);
    const [hidden, shown] = ['\u001B[?25l', '\u001B[?25h'].map((code) =>
      waiting.said.stdout.lastIndexOf(code),
    );
    assert.ok(hidden !== undefined && shown !== undefined && hidden >= 0 && shown > hidden);
    assert.match(waiting.said.stdout, /2 files applied, 3 archived/);
  });
});
