/** Locks that another session holds for longer than a load waits (55P03). */

import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { parseDatabaseUrl } from '../../../src/postgres/address.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { backlogOf } from '../../support/faults/backlog.ts';
import { until, within } from '../../support/faults/bounds.ts';
import type { Scenario } from '../../support/faults/scene.ts';
import { fileName } from '../../support/incFile.ts';

const FILES = backlogOf({ files: 4, large: [1] });
const LARGE = fileName(1);

const REACH_MS = 120_000;
/** A load waits for 30 s. */
const GIVEN_UP_MS = 90_000;

export const locks: readonly Scenario[] = [
  {
    title: '55P03: the dataset’s row is held by another session for longer than a load waits',
    files: FILES,
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
    files: FILES,
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
