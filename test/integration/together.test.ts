import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { sampleStream } from '../../dev/sample/stream.ts';
import { writeSampleStream } from '../../dev/sample/write.ts';
import { inc } from '../../src/datasets/inc.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { expectedTable, readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

describe('several at once', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it('four starts at once on two workers apply each file once, in order', async () => {
    const files = Array.from({ length: 20 }, (_unused, n) => ({
      key: inc.changesPrefix + fileName(n),
      body: incFile([{ ticket_id: 'A', priority: `P${n}` }, { ticket_id: `T${n}` }]),
    }));
    for (const { key, body } of files) await world.put(key, body);
    world.workProcess();
    await world.work();
    const runs = await Promise.all([1, 2, 3, 4].map((n) => world.start(`${world.name}-${n}`)));
    const results = await Promise.all(runs.map((run) => run.result()));
    assert.equal(
      results.reduce((sum, { applied }) => sum + applied, 0),
      files.length,
    );
    assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, files));
    const ledger = await world.ledger();
    assert.deepEqual(
      ledger.map(({ key, archived }) => [key, archived]),
      files.map(({ key }) => [key, true]),
    );
    assert.deepEqual(await world.keys(inc.changesPrefix), []);
  });

  it('a cancel in the middle of a large file: nothing applied, no connection left in a transaction', async () => {
    const files = sampleStream({ deltas: [] });
    await writeSampleStream({ s3: world.s3, bucket: world.name, files });
    const { store } = world.deps;
    Object.assign(world.deps, { store: { ...store, read: halting(store) } });
    await world.work();
    const run = await world.start();
    await until(async () => (await sessions(`query like 'copy %' and state = 'active'`)) > 0);
    const asked = Date.now();
    await run.cancel();
    await assert.rejects(
      run.result(),
      (error) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure,
    );
    // The stated bound: one heartbeat (2 s) and the server's throttling of it.
    assert.ok(Date.now() - asked < 10_000);
    await until(async () => (await sessions(`state <> 'idle'`)) === 0);
    assert.deepEqual(await world.ledger(), []);
    assert.equal((await readTable(world.db, inc)).size, 0);
    Object.assign(world.deps, { store });
    assert.equal((await world.run()).applied, 1);
  });

  it('a load that finds the dataset held by another waits, and goes on when it is free', async () => {
    const key = await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    let free: () => void = () => undefined;
    const holding = world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state where dataset = 'inc' for update`);
      await new Promise<void>((resolve) => (free = resolve));
    });
    await until(async () => (await sessions(`state = 'idle in transaction'`)) === 1);
    assert.deepEqual(await world.loadSmall(key), { results: [] });
    const patient = world.load(key);
    await until(async () => (await sessions(`wait_event_type = 'Lock'`)) === 1);
    free();
    await holding;
    assert.equal((await patient).outcome, 'applied');
  });

  /** Sessions of this world's database, others than the one that asks. */
  async function sessions(condition: string): Promise<number> {
    const [row] = await world.shared.admin.unsafe<{ n: number }[]>(
      `select count(*)::int as n from pg_stat_activity
       where datname = '${world.name}' and pid <> pg_backend_pid() and (${condition})`,
    );
    return row?.n ?? 0;
  }
});

/** A store whose bodies come to a halt in the middle, as from a slow network: until the reader gives up. */
function halting(store: ObjectStore): ObjectStore['read'] {
  return async (input) => {
    const body = await store.read(input);
    return {
      ...body,
      chunks: (async function* () {
        let bytes = 0;
        for await (const chunk of body.chunks) {
          bytes += chunk.length;
          if (bytes > body.size / 2) await delay(60_000, undefined, { signal: input.signal });
          yield chunk;
        }
      })(),
    };
  };
}

/** Waits for a condition; the test's timeout is its bound. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}
