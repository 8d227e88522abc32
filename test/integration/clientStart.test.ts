import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { IngestResult } from '../../src/workflows/run.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const MANUAL = 'ingest-inc-manual';

interface Started {
  readonly workflowId: string;
  readonly runId: string;
  readonly attached: boolean;
}

describe('tidemark start', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(async () => {
    await closeOpenRuns();
    await world.client('schedule', 'delete');
    await world.close();
  });

  /** The ids of a dataset's runs are the same in all worlds of one server. */
  async function closeOpenRuns(): Promise<void> {
    const { workflow } = world.shared.temporal;
    for await (const { workflowId } of workflow.list({ query: `ExecutionStatus = 'Running'` })) {
      // It may have ended since.
      await workflow
        .getHandle(workflowId)
        .terminate()
        .catch(() => undefined);
    }
  }

  async function started(...args: string[]): Promise<Started> {
    const { stdout } = await world.client('start', 'inc', '--json', ...args);
    return JSON.parse(stdout) as Started;
  }

  it('--wait follows the run, tells each file as it is applied, and sums up', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'B', priority: 'P1' }]));
    await world.work();
    const { status, stdout, stderr } = await world.client('start', 'inc', '--wait');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^started ingest-inc-manual, run id [0-9a-f-]{36}\n/);
    assert.equal(
      stdout.slice(stdout.indexOf('\n') + 1),
      `${fileName(1)}  baseline  read 2  inserted 2  updated 0
${fileName(2)}  delta  read 1  inserted 0  updated 1
2 files applied, 2 archived
rows: read 3, inserted 2, updated 1, unchanged 0, superseded 0, stale 0, alarm 0, sentinel 0, rejected 0
watermark: automations/inc/changes/${fileName(2)}
`,
    );
  });

  it('--wait --json prints the result of the whole run, over continue-as-new, and nothing else', async () => {
    const n = 1001;
    for (let i = 0; i < n; i += 50) {
      const some = Array.from({ length: Math.min(50, n - i) }, (_, j) => i + j);
      await Promise.all(some.map((i) => world.put(fileName(i), incFile([{ ticket_id: `T${i}` }]))));
    }
    await world.work();
    const { status, stdout, stderr } = await world.client('start', 'inc', '--wait', '--json');
    assert.deepEqual([status, stderr], [0, '']);
    const result = JSON.parse(stdout) as IngestResult;
    assert.deepEqual([result.applied, result.rows.inserted, result.archived], [n, n, n]);
    const first = await world.shared.temporal.workflow.getHandle(MANUAL).describe();
    assert.equal(first.status.name, 'COMPLETED');
  });

  it('attaches to the run that is open, and says where no worker polls', async () => {
    const first = await world.client('start', 'inc');
    assert.equal(first.status, 0);
    assert.match(first.stderr, /^no worker polls the task queue w[0-9a-f]+; .*npm run worker\n$/);
    const second = await world.client('start', 'inc');
    const runId = /run id (\S+)/.exec(first.stdout)?.[1] ?? 'none';
    assert.equal(second.stdout, `attached to the open run ${MANUAL}, run id ${runId}\n`);
    await world.work();
    assert.equal((await world.client('start', 'inc', '--wait')).status, 0);
    assert.notEqual((await started()).runId, runId);
  });

  it('attaches to the run that the Schedule started', async () => {
    await world.client('schedule', 'apply');
    await world.client('schedule', 'trigger', 'inc');
    const ofSchedule = await until(async () => {
      const { info } = await world.shared.temporal.schedule.getHandle('ingest-inc').describe();
      return info.runningActions[0]?.workflow.workflowId;
    });
    assert.match(ofSchedule, /^ingest-inc-\d{4}-/);
    const { workflowId, attached } = await started();
    assert.deepEqual({ workflowId, attached }, { workflowId: ofSchedule, attached: true });
  });

  it('--wait on a run that fails exits 1 with the one sentence of its failure', async () => {
    const key = await world.put(fileName(1), incFile([{ ticket_id: 'A', mttr: 'hushhush' }]));
    await world.work();
    for (const form of [['--json'], []]) {
      const { status, stdout, stderr } = await world.client('start', 'inc', '--wait', ...form);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`^tidemark: inc ${key} line 2 column mttr: 1 row rejected[^\\n]*\\n$`));
      assert.match(stdout, form.length > 0 ? /^$/ : /^started .*\n$/);
    }
  });

  it('--wait on a run that is cancelled or terminated exits 1 and says so', async () => {
    const handle = world.shared.temporal.workflow.getHandle(MANUAL);
    const endings = {
      terminated: () => handle.terminate(),
      cancelled: async () => {
        await handle.cancel();
        return world.work();
      },
    };
    for (const [how, end] of Object.entries(endings)) {
      const waiting = world.client('start', 'inc', '--wait');
      await until(async () => {
        const run = await handle.describe().catch(() => undefined);
        return run?.status.name === 'RUNNING' ? run : undefined;
      });
      await end();
      const { status, stderr } = await waiting;
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`tidemark: the run ingest-inc-manual was ${how}\n$`));
    }
  });

  it('Ctrl-C detaches: the run goes on, and how to come back is said', async () => {
    const child = spawn(process.execPath, ['dist/client.js', 'start', 'inc', '--wait'], {
      env: { PATH: process.env['PATH'] ?? '', ...world.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    await once(child.stdout, 'data');
    const interrupted = Date.now();
    child.kill('SIGINT');
    const [status] = (await once(child, 'close')) as [number];
    assert.ok(Date.now() - interrupted < 5_000, 'it ends at once, not with the poll under way');
    assert.equal(status, 130);
    assert.match(stderr, /detached; the run goes on/);
    assert.match(
      stderr,
      /tidemark start inc --wait\n.*temporal workflow cancel --workflow-id ingest-inc-manual\n$/,
    );
    const { status: run } = await world.shared.temporal.workflow.getHandle(MANUAL).describe();
    assert.equal(run.name, 'RUNNING');
  });
});

/** Waits for a value; the test's own timeout bounds it. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await ask();
    if (value !== undefined) return value;
    await delay(50);
  }
}
