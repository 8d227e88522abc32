/** What PostgreSQL's own time limits end: a wait for a lock (55P03), a transaction that is idle for too long (25P03). */

import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { parseDatabaseUrl } from '../../../src/postgres/address.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { FEW_FILES, SLOW_FILES } from '../../support/faults/backlog.ts';
import { until, within } from '../../support/faults/bounds.ts';
import type { Scenario } from '../../support/faults/scene.ts';
import { BETWEEN_STRETCHES } from '../../support/faults/written.ts';
import { attemptsOf } from '../../support/attempts.ts';
import { fileName } from '../../support/incFile.ts';

const LARGE = fileName(1);

const REACH_MS = 120_000;
/** A load waits for 30 s. */
const GIVEN_UP_MS = 90_000;
/** A transaction that writes ahead may be idle for 90 s. */
const ENDED_MS = 150_000;

export const locks: readonly Scenario[] = [
  {
    title: '55P03: the dataset’s row is held by another session for longer than a load waits',
    files: FEW_FILES,
    async play(scene) {
      const held = await scene.hold('lock', '');
      await scene.work();
      const run = await scene.start();
      await held.reached();
      await lockNotGot(run);
      await held.release();
      await scene.finished(run);
      await scene.isAsUndisturbed();
    },
  },
  {
    title: '55P03: a row of the table is held by another session for longer than a load waits',
    files: FEW_FILES,
    async play(scene) {
      const held = scene.s3.hold('request', { method: 'GET', key: `changes/${LARGE}` });
      await scene.work();
      const run = await scene.start();
      await within(REACH_MS, 'a large file is asked for', held.reached);
      const other = openDatabase(parseDatabaseUrl(scene.world.ownerUrl));
      try {
        await other.transaction(async (tx) => {
          const rows = await tx.query(`select from tickets.inc where ticket_id = 'SHARED-0' for update`);
          assert.equal(rows.length, 1);
          held.release();
          await lockNotGot(run);
        });
      } finally {
        await other.end();
      }
      await scene.finished(run);
      await scene.isAsUndisturbed();
    },
  },
  {
    title:
      '25P03: rows written ahead, and none to follow for 90 s; undone, the file is staged by the same attempt',
    files: SLOW_FILES,
    async play(scene) {
      const body = scene.s3.hold('drip', { method: 'GET', key: `changes/${LARGE}` });
      await scene.work();
      const run = await scene.start();
      await within(REACH_MS, 'a large file is read', body.reached);
      let pid = 0;
      await until(REACH_MS, 'rows of it are written', async () => {
        pid = (await scene.pids(BETWEEN_STRETCHES))[0] ?? 0;
        return pid > 0;
      });
      const isOver = async (): Promise<boolean> => (await scene.sessions(`pid = ${pid}`)) === 0;
      await until(ENDED_MS, 'PostgreSQL ends the session', isOver);
      body.release();
      await scene.finished(run);
      // Any other end would be an attempt's.
      assert.deepEqual(await attemptsOf(run), [1]);
      await scene.isAsUndisturbed();
    },
  },
];

/** An attempt has ended by the lock timeout, and is to be made again. */
async function lockNotGot(run: WorkflowHandle): Promise<void> {
  await until(GIVEN_UP_MS, 'an attempt gives up', async () => {
    const { pendingActivities } = (await run.describe()).raw;
    const failure = pendingActivities?.find(({ lastFailure }) => lastFailure)?.lastFailure;
    if (!failure) return false;
    const { type, details } = failure.applicationFailureInfo ?? {};
    const said = (details?.payloads ?? []).map(({ data }) => Buffer.from(data ?? []).toString()).join('');
    assert.deepEqual([type, /"code":"(\w+)"/.exec(said)?.[1]], ['PostgresBusy', '55P03']);
    return true;
  });
}
