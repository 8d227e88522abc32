/** Workers killed at random times over a backlog that an exporter keeps filling. */

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { random, type Random } from '../../../dev/sample/random.ts';
import { WORKFLOW_TYPE } from '../../../src/client/openRun.ts';
import { backlogOf } from '../../support/faults/backlog.ts';
import { until } from '../../support/faults/bounds.ts';
import type { Scenario, Scene } from '../../support/faults/scene.ts';
import { longForm, seed } from '../../support/faults/form.ts';

/** Files of the backlog, and of each further delivery; one of them is large. */
const DELIVERY = 100;
const LARGE = 40;
/** The exporter delivers again when fewer than this are pending. */
const FEW = 20;

/** Kills of one scenario: a few beside all others, or many for as long as it is asked for. */
const KILLS = longForm ? 50 : 3;

/** Between two kills at most, from when the newest worker works; now and then it does not yet. */
const KILL_MS = 2_000;
const EARLY = 0.15;
/** The latency of S3 at most, so that there is always something under way. */
const LATENCY_MS = 15;
/**
 * Runs that lost their worker go on after a heartbeat timeout of 30 s. A workflow task that was lost again and again has
 * ever longer to time out by Temporal, up to 10 minutes.
 */
const OPEN_RUNS_MS = longForm ? 720_000 : 240_000;

export const randomKills: readonly Scenario[] = [1, 2, 4].map((workers) => ({
  title: `random kills, ${workers} worker${workers > 1 ? 's' : ''}: ${KILLS} or more, seed ${seed}${
    longForm ? `, ${longForm.seconds} s` : ''
  }`,
  files: backlogOf({ files: DELIVERY, large: [LARGE] }),
  grows: true,
  ownTemporal: true,
  longOnly: workers < 4,
  async play(scene) {
    const dice = random(seed, workers);
    scene.s3.slow(() => dice.below(LATENCY_MS));
    await scene.types('schedule', 'apply');
    for (let i = 0; i < workers; i++) await scene.work();
    await scene.start();
    const began = performance.now();
    const kills = await killForLong(scene, dice);
    const seconds = Math.round((performance.now() - began) / 1000);
    const runs = await openRunsEnd(scene);
    await scene.finished(await scene.start());
    await scene.isAsUndisturbed();
    if (longForm)
      process.stdout.write(
        `      seed ${seed}, ${workers} worker${workers > 1 ? 's' : ''}: ${kills} kills in ${seconds} s, ${runs} runs, ${scene.files.length} files\n`,
      );
  },
}));

/** Kills workers, replaces them, starts runs by hand and by the Schedule beside the open ones. @returns how many kills */
async function killForLong(scene: Scene, dice: Random): Promise<number> {
  const end = performance.now() + (longForm?.seconds ?? 0) * 1000;
  let kills = 0;
  while (kills < KILLS || performance.now() < end) {
    const { workers } = scene;
    if (!dice.chance(EARLY)) await workers.at(-1)?.works();
    await delay(dice.below(KILL_MS));
    await workers[dice.below(workers.length)]?.kill();
    kills += 1;
    await scene.work();
    await startSome(scene, dice);
    const ledger = await scene.world.ledger();
    if (scene.files.length - ledger.length < FEW) await deliver(scene);
  }
  return kills;
}

/** What people and the Schedule do beside an open run. */
async function startSome(scene: Scene, dice: Random): Promise<void> {
  const what = dice.pick(['client', 'schedule', 'cli', 'cli']);
  if (what === 'client') await scene.types('start', 'inc');
  else if (what === 'schedule') await scene.types('schedule', 'trigger', 'inc');
  else await scene.start();
}

async function deliver(scene: Scene): Promise<void> {
  const first = scene.files.length;
  const all = backlogOf({ files: first + DELIVERY, large: [first + LARGE] });
  await scene.put(all.slice(first));
}

/** Every run ends well, also those whose workers were killed. @returns how many there were */
async function openRunsEnd(scene: Scene): Promise<number> {
  const { workflow } = scene.temporal;
  await scene.types('schedule', 'pause', 'inc');
  await until(OPEN_RUNS_MS, 'all runs end', async () => {
    const { count } = await workflow.count(`ExecutionStatus = 'Running'`);
    return count === 0;
  });
  let runs = 0;
  for await (const { workflowId, status } of workflow.list({ query: `WorkflowType = '${WORKFLOW_TYPE}'` })) {
    // A run of more than 1,000 loads goes on as a new one.
    assert.match(status.name, /^(COMPLETED|CONTINUED_AS_NEW)$/, `the run ${workflowId} ended so`);
    runs += 1;
  }
  return runs;
}
