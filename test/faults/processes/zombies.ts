/** A worker frozen past its heartbeat timeout, while another does its work; then it wakes, and must change nothing. */

import assert from 'node:assert/strict';
import { FEW_FILES, SLOW_FILES } from '../../support/faults/backlog.ts';
import { until, within } from '../../support/faults/bounds.ts';
import { outcomeOf, assertSame } from '../../support/faults/compare.ts';
import type { Step } from '../../support/faults/postgresGate.ts';
import type { Place } from '../../support/faults/s3Gate.ts';
import type { Scenario, Scene } from '../../support/faults/scene.ts';
import { BETWEEN_STRETCHES } from '../../support/faults/written.ts';
import { fileName, incFile } from '../../support/incFile.ts';

const LARGE = fileName(1);
const SMALL = fileName(3);

const REACH_MS = 120_000;
/** A zombie hears with its first heartbeat that it is not wanted, or goes on to its end. */
const CALM_MS = 30_000;

/** Where the worker is when it is frozen. */
type Trap = (scene: Scene) => Promise<{
  reached(): Promise<unknown>;
  /** What happens as soon as it is frozen. */
  frozen?(): Promise<void>;
  /** What happens when another worker has done all, just before it wakes. */
  beforeWaking?(): void | Promise<void>;
  /** What must have come to pass after it woke. */
  awake?(): Promise<void>;
}>;

const CASES: readonly (readonly [string, Trap, { longOnly: boolean }?])[] = [
  ['between two stretches of a merge', inBody(`changes/${LARGE}`, BETWEEN_STRETCHES)],
  ['in the merge of a stretch, which goes through', inTransaction('row', LARGE), { longOnly: true }],
  ['holding the lock', inTransaction('ledger', LARGE)],
  ['in its commit, which goes through', inTransaction('commit', LARGE)],
  ['in a batch, holding the lock', inTransaction('ledger', SMALL), { longOnly: true }],
  ['in a batch, in the middle of a body', atS3('body', 'GET', `changes/${SMALL}`), { longOnly: true }],
  ['its copy on the way, which arrives last', atS3('request', 'PUT', `processed/${LARGE}`)],
  [
    'its delete on the way, which arrives last',
    atS3('request', 'DELETE', `changes/${LARGE}`),
    { longOnly: true },
  ],
  ['copied, before its next look', atS3('answer', 'PUT', `processed/${LARGE}`), { longOnly: true }],
];

export const zombies: readonly Scenario[] = [
  ...CASES.map(([where, trap, form]) => ({
    ...form,
    title: `zombie: ${where}`,
    files: FEW_FILES,
    async play(scene: Scene) {
      await haunted(scene, trap);
      await scene.isAsUndisturbed();
    },
  })),
  {
    // A frozen one finds its body silent for too long when it wakes; this one is slow, and goes on with what it has.
    title: 'zombie: slow in its reading, and cut off from Temporal, so that only the next attempt stops it',
    files: SLOW_FILES,
    async play(scene) {
      const partition = await scene.partition();
      const held = scene.s3.hold('drip', { method: 'GET', key: `changes/${LARGE}` });
      await scene.work({}, { TEMPORAL_ADDRESS: partition.address });
      const run = await scene.start();
      await within(REACH_MS, 'a large file is read', held.reached);
      partition.cut();
      await scene.work();
      await scene.finished(run);
      // It went no further for as long as the next attempt waited for its rows, which has ended its session.
      assert.deepEqual(await scene.pids(COMPARING), []);
      const before = await outcomeOf(scene.world);
      held.release();
      partition.mend();
      await scene.isAsUndisturbed();
      assertSame(await outcomeOf(scene.world), before);
    },
  },
  {
    title: 'zombie: its delete on the way, and other content under the same key when it arrives',
    files: FEW_FILES,
    async play(scene) {
      const key = `changes/${LARGE}`;
      await haunted(scene, async () => {
        const held = scene.s3.hold('request', { method: 'DELETE', key });
        return {
          reached: () => held.reached,
          async beforeWaking() {
            await scene.world.put(LARGE, incFile([{ ticket_id: 'other' }]));
            held.release();
          },
          awake: () => within(CALM_MS, 'the late delete was answered', held.served),
        };
      });
      await scene.comesToRest();
      assert.deepEqual(await scene.world.keys(scene.world.dataset.changesPrefix), [
        `${scene.world.dataset.changesPrefix}${LARGE}`,
      ]);
    },
  },
];

/** Freezes a worker in the trap, lets another finish the run, wakes the first: nothing changes by that. */
export async function haunted(scene: Scene, trap: Trap): Promise<void> {
  const { reached, frozen, beforeWaking, awake } = await trap(scene);
  const zombie = await scene.work();
  const run = await scene.start();
  await within(REACH_MS, 'the worker is where it is to be frozen', reached());
  zombie.freeze();
  await frozen?.();
  await scene.work();
  await scene.finished(run);
  await beforeWaking?.();
  const before = await outcomeOf(scene.world);
  zombie.wake();
  await awake?.();
  await untilAtRest(scene);
  assert.equal(zombie.running, true, `the worker died: ${zombie.said.slice(-2_000)}`);
  assert.equal(await zombie.end(), 'status 0');
  assertSame(await outcomeOf(scene.world), before);
}

/** A load that has compared some rows, and waits for more. */
const COMPARING = `application_name like 'tidemark %' and query like '%looked as materialized%'`;

/** Its attempt is over when its sessions rest: idle, or gone. */
async function untilAtRest(scene: Scene): Promise<void> {
  await until(
    CALM_MS,
    'the zombie has come to rest',
    async () => (await scene.sessions(`application_name like 'tidemark %' and state <> 'idle'`)) === 0,
  );
}

/** The load is held at a step, frozen, and the step let through: the rest is between PostgreSQL and nobody. */
function inTransaction(step: Step, key: string): Trap {
  return async (scene) => {
    const held = await scene.hold(step, key);
    return { reached: () => held.reached(), frozen: () => held.release() };
  };
}

function atS3(place: Place, method: 'GET' | 'PUT' | 'DELETE', key: string): Trap {
  return async (scene) => {
    const held = scene.s3.hold(place, { method, key });
    return {
      reached: () => held.reached,
      beforeWaking: () => held.release(),
      awake: () => within(CALM_MS, `the ${method} of ${key} was answered`, held.served),
    };
  };
}

/** The rest of the body is held, and the rows before it are written. @param written as in `written.ts` */
export function inBody(key: string, written: string): Trap {
  return async (scene) => {
    const trap = await atS3('body', 'GET', key)(scene);
    return {
      ...trap,
      async reached() {
        await within(REACH_MS, 'half of the file is read', trap.reached());
        await until(REACH_MS, 'rows of it are written', async () => (await scene.sessions(written)) === 1);
      },
    };
  };
}
