/** Who finds nothing at the end of a scenario must have looked: what this one leaves behind is left on purpose. */

import assert from 'node:assert/strict';
import pg from 'pg';
import { FEW_FILES } from '../../support/faults/backlog.ts';
import { until } from '../../support/faults/bounds.ts';
import type { Scenario } from '../../support/faults/scene.ts';

const GONE_MS = 5_000;

export const looks: readonly Scenario[] = [
  {
    title: 'the look at the end finds a row that differs, an open transaction, and a worker that has crashed',
    files: FEW_FILES,
    async play(scene) {
      await scene.work();
      await scene.finished(await scene.start());
      await scene.isAsUndisturbed();
      await scene.world.db.query(`update tickets.inc set mttr = mttr + 1 where ticket_id = 'SHARED-0'`);
      await assert.rejects(scene.isAsUndisturbed(), /table: /);
      const other = new pg.Client({ connectionString: scene.world.ownerUrl });
      await other.connect();
      await other.query('begin');
      await assert.rejects(scene.comesToRest(), /no session is left/);
      await other.end();
      await scene.comesToRest();
      const worker = await scene.work();
      process.kill(worker.pid, 'SIGKILL');
      await until(GONE_MS, 'it is gone', () => !worker.running);
      await assert.rejects(scene.comesToRest(), { actual: ['SIGKILL'] });
    },
  },
];
