/** Temporal gone, back, and told by people to end or to begin again, in the middle of a run. */

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { backlogOf, FEW_FILES } from '../../support/faults/backlog.ts';
import { until, within } from '../../support/faults/bounds.ts';
import { longForm } from '../../support/faults/form.ts';
import type { Scenario, Scene } from '../../support/faults/scene.ts';
import { fileName } from '../../support/incFile.ts';

const BACKLOG = backlogOf({ files: 60, large: [20, 40] });
const LARGE = fileName(1);
const SMALL = fileName(3);

const REACH_MS = 120_000;
/** Longer than a workflow task (10 s) and a heartbeat (30 s) may take. */
const UNREACHABLE_MS = 65_000;
/** Outages come when so many files are applied. */
const MOMENTS = [5, 30];
/** Of S3, so that there is something under way. */
const LATENCY_MS = 20;
/** `EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT` of Temporal's API. */
const WORKFLOW_TASK_TIMED_OUT = 8;

export const temporalFaults: readonly Scenario[] = [
  {
    title: 'Temporal: killed and started again, twice, in the middle of a run',
    files: BACKLOG,
    ownTemporal: true,
    async play(scene) {
      await withTemporalDown(scene, MOMENTS, async (server) => {
        await server.stop('SIGKILL');
        await server.start();
      });
    },
  },
  {
    title: `Temporal: unreachable for ${UNREACHABLE_MS / 1000} s${longForm ? ', twice,' : ''} in the middle of a run`,
    files: BACKLOG,
    ownTemporal: true,
    async play(scene) {
      await withTemporalDown(scene, longForm ? MOMENTS : MOMENTS.slice(0, 1), async (server) => {
        process.kill(server.pid(), 'SIGSTOP');
        await delay(UNREACHABLE_MS);
        process.kill(server.pid(), 'SIGCONT');
      });
    },
  },
  ...(['load', 'move'] as const).flatMap((during): Scenario[] => [
    {
      title: `Temporal: a run terminated in the middle of a ${during}; the next one makes it right`,
      files: FEW_FILES,
      longOnly: during === 'move',
      async play(scene) {
        const { held, run } = await heldDuring(scene, during);
        await scene.temporalWorkflow('terminate', '--workflow-id', run.workflowId);
        const next = await scene.start();
        await held.release();
        await assert.rejects(run.result());
        await scene.finished(next);
        await scene.isAsUndisturbed();
      },
    },
    {
      title: `Temporal: a run reset to its beginning in the middle of a ${during}`,
      files: FEW_FILES,
      longOnly: during === 'move',
      async play(scene) {
        const { held, run } = await heldDuring(scene, during);
        const how = ['--workflow-id', run.workflowId, '--type', 'FirstWorkflowTask', '--reason', 'a test'];
        await scene.temporalWorkflow('reset', ...how);
        await held.release();
        await scene.finished(scene.temporal.workflow.getHandle(run.workflowId));
        await scene.isAsUndisturbed();
      },
    },
  ]),
  {
    title: 'Temporal: a local activity timed out, since S3 was silent',
    files: FEW_FILES,
    async play(scene) {
      const held = scene.s3.hold('request', { method: 'GET', key: `changes/${SMALL}` });
      await scene.work();
      const run = await scene.start();
      await within(REACH_MS, 'a small file is asked for', held.reached);
      await scene.finished(run);
      held.release();
      await scene.isAsUndisturbed();
    },
  },
  {
    title: 'Temporal: a workflow task timed out, its only worker being frozen',
    files: FEW_FILES,
    async play(scene) {
      const held = scene.s3.hold('answer', { method: 'PUT', key: `processed/${SMALL}` });
      const worker = await scene.work();
      const run = await scene.start();
      await within(REACH_MS, 'a small file is copied', held.reached);
      worker.freeze();
      await until(REACH_MS, 'the workflow task times out', async () => {
        const { events } = await run.fetchHistory();
        return events?.some(({ eventType }) => Number(eventType) === WORKFLOW_TASK_TIMED_OUT) ?? false;
      });
      held.release();
      worker.wake();
      await scene.finished(run);
      await scene.isAsUndisturbed();
    },
  },
  {
    title: 'Temporal: an activity timed out, and its only worker gets the next attempt beside the first',
    files: FEW_FILES,
    longOnly: true,
    async play(scene) {
      const held = scene.s3.hold('body', { method: 'GET', key: `changes/${LARGE}` });
      const worker = await scene.work();
      const run = await scene.start();
      await within(REACH_MS, 'a large file is read', held.reached);
      worker.freeze();
      await until(REACH_MS, 'the attempt times out', async () => {
        const { pendingActivities } = (await run.describe()).raw;
        return pendingActivities?.some(({ attempt }) => (attempt ?? 0) > 1) ?? false;
      });
      worker.wake();
      held.release();
      await scene.finished(run);
      await scene.isAsUndisturbed();
    },
  },
];

/** Outages in the middle of a run; the worker lives through them. */
async function withTemporalDown(
  scene: Scene,
  moments: readonly number[],
  outage: (server: NonNullable<NonNullable<Scene['stack']>['servers']['temporal']>) => Promise<void>,
): Promise<void> {
  const server = scene.stack?.servers.temporal;
  if (!server) throw new Error('the scene has no Temporal of its own');
  scene.s3.slow(() => LATENCY_MS);
  const worker = await scene.work();
  const run = await scene.start();
  for (const applied of moments) {
    await until(
      REACH_MS,
      `${applied} files are applied`,
      async () => (await scene.world.ledger()).length >= applied,
    );
    await outage(server);
  }
  await scene.finished(run);
  assert.equal(worker.running, true, worker.said.slice(-2_000));
  await scene.isAsUndisturbed();
}

/** A run whose large file is held before its commit, or copied and not yet deleted. */
async function heldDuring(scene: Scene, during: 'load' | 'move') {
  if (during === 'load') {
    const held = await scene.hold('ledger', LARGE);
    await scene.work();
    const run = await scene.start();
    await held.reached();
    return { held, run };
  }
  const held = scene.s3.hold('request', { method: 'DELETE', key: `changes/${LARGE}` });
  await scene.work();
  const run = await scene.start();
  await within(REACH_MS, 'a large file is to be deleted', held.reached);
  return { held, run };
}
