import assert from 'node:assert/strict';
import { until } from '../support/faults/bounds.ts';
import { startPartition } from '../support/faults/partition.ts';
import { WorkerProcess } from '../support/faults/processes.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const SERVING = /"message":"serving [^"]+".*"port":(\d+)/;

describe('a worker that gets SIGTERM', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  async function startWorker(env = world.env): Promise<{ worker: WorkerProcess; base: string }> {
    const worker = await WorkerProcess.start({ ...env, TIDEMARK_HTTP_PORT: '0' });
    await worker.works();
    await until(10_000, 'it says its port', () => SERVING.test(worker.said));
    return { worker, base: `http://127.0.0.1:${SERVING.exec(worker.said)?.[1]}` };
  }

  it('finishes the load that it has begun, not ready meanwhile, and ends with status 0', async () => {
    const { worker, base } = await startWorker();
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    const { admin } = world.shared;
    let ended: Promise<string> | undefined;
    // A load in its last step waits for the dataset's row.
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      await world.start();
      const waiting = `select from pg_stat_activity where datname = '${world.name}' and wait_event_type = 'Lock'`;
      await until(30_000, 'a load waits', async () => (await admin.unsafe(waiting)).length > 0);
      const loads = async (): Promise<boolean> => (await fetch(`${base}/readyz`)).status === 200;
      assert.ok(await loads());
      // Small files are tried without waiting first: it is the ordinary activity that waits.
      await until(30_000, 'the ordinary attempt waits', async () => /loadFile/.test(await pending()));
      ended = worker.end();
      await until(5_000, 'it is not ready', async () => !(await loads()));
      assert.match(
        await (await fetch(`${base}/readyz`)).text(),
        /"ready":false,"worker":"(STOPPING|DRAINING)"/,
      );
      assert.match(await (await fetch(`${base}/metrics`)).text(), /^tidemark_postgres_up 1$/m);
    });
    assert.equal(await ended, 'status 0');
    assert.deepEqual(
      (await world.ledger()).map(({ type }) => type),
      ['baseline'],
    );
  });

  async function pending(): Promise<string> {
    const { raw } = await world.shared.temporal.workflow.getHandle(`${world.name}-run`).describe();
    return (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name).join();
  }

  it('ends within 30 s although Temporal is silent', async () => {
    const partition = await startPartition(world.env['TEMPORAL_ADDRESS'] ?? '');
    try {
      const { worker, base } = await startWorker({ ...world.env, TEMPORAL_ADDRESS: partition.address });
      partition.cut();
      const ready = await fetch(`${base}/readyz`);
      assert.equal(ready.status, 503);
      assert.match(await ready.text(), /"temporal":false,"postgres":true/);
      const begun = Date.now();
      const how = await worker.end();
      assert.match(how, /^status [01]$/);
      assert.ok(Date.now() - begun < 30_000, `${Date.now() - begun} ms, ${how}`);
    } finally {
      partition.mend();
      await partition.stop();
    }
  });
});
