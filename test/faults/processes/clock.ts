/** A worker whose clock is an hour off: times are those of S3 and of PostgreSQL. */

import assert from 'node:assert/strict';
import { backlogOf } from '../../support/faults/backlog.ts';
import { until } from '../../support/faults/bounds.ts';
import type { TestFile } from '../../support/faults/compare.ts';
import { fakeClock, type } from '../../support/faults/processes.ts';
import type { Scenario } from '../../support/faults/scene.ts';
import { incFile } from '../../support/incFile.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SAID_MS = 30_000;

/** A change file's name, by the clock of Nairobi, which is at UTC+3 all year. */
function nameAt(time: number): string {
  const there = new Date(time + 3 * HOUR_MS).toISOString();
  return `${there.slice(0, 19).replaceAll(':', '-')}.csv`;
}

/**
 * A file of half an hour ahead is taken for pending by S3's clock, and for one of the future by a clock that is an hour
 * slow. One of an hour and a half ahead is of the future, and pending by a clock that is an hour fast.
 */
const FUTURE = nameAt(Date.now() + 1.5 * HOUR_MS);
const FILES: readonly TestFile[] = [
  ...backlogOf({ files: 8, large: [1] }),
  { name: nameAt(Date.now() + HOUR_MS / 2), body: incFile([{ ticket_id: 'soon' }]) },
  { name: FUTURE, body: incFile([{ ticket_id: 'far' }]) },
];

/** A file that was just put. */
const YOUNG = backlogOf({ files: 1, large: [] });

const settling: Scenario = {
  title: 'clock: what is young is so by the clock of S3, with an hour fast and an hour slow',
  files: YOUNG,
  async play(scene) {
    const states = async (clock: string, settleMs: number): Promise<string> => {
      const args = ['--import', 'tsx', 'test/support/faults/listSettling.ts', String(settleMs)];
      const typed = await type(process.execPath, args, { ...scene.env, ...(await fakeClock(clock)) });
      assert.equal(typed.status, 0, typed.stderr);
      return typed.stdout;
    };
    assert.equal(await states('+1h', HOUR_MS / 2), 'settling');
    // S3 tells whole seconds: it is older than a millisecond when the next one has begun.
    await until(SAID_MS, 'it is old', async () => (await states('-1h', 1)) === 'pending');
    await scene.work();
    await scene.finished(await scene.start());
    await scene.isAsUndisturbed();
  },
};

export const wrongClocks: readonly Scenario[] = [
  settling,
  ...[
    ['an hour fast', '+1h', HOUR_MS],
    ['an hour slow', '-1h', -HOUR_MS],
  ].map(([what, clock, off]): Scenario => ({
    title: `clock: the worker's is ${what}`,
    files: FILES,
    async play(scene) {
      const worker = await scene.work({ clock: String(clock) });
      const run = await scene.start();
      const { future } = await scene.finished(run);
      assert.deepEqual(future, { total: 1, keys: [`${scene.world.dataset.changesPrefix}${FUTURE}`] });
      // The clock was wrong indeed: the worker's own log has its times.
      await until(SAID_MS, 'the worker logs', () => /\d{4}-\d\d-\d\dT[\d:.]+Z/.test(worker.said));
      const said = Date.parse(/\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(worker.said)?.[0] ?? '');
      assert.ok(Math.abs(said - Date.now() - Number(off)) < 10 * MINUTE_MS, new Date(said).toISOString());
      // S3 refuses a signature of another hour, and the SDK learns the time from its answer.
      assert.ok(scene.s3.answers(403) > 0, 'the server takes any clock');
      await scene.isAsUndisturbed();
    },
  })),
];
