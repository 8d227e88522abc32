/** A worker killed at every boundary of a load and of a move. */

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { FEW_FILES } from '../../support/faults/backlog.ts';
import { until, within } from '../../support/faults/bounds.ts';
import type { Step } from '../../support/faults/postgresGate.ts';
import type { Choice, Place } from '../../support/faults/s3Gate.ts';
import type { Scenario, Scene } from '../../support/faults/scene.ts';
import { BETWEEN_STRETCHES } from '../../support/faults/written.ts';
import { fileName } from '../../support/incFile.ts';
import { inBody } from './zombies.ts';

const COMMIT_MS = 10_000;
const REACH_MS = 120_000;

/** A load that asks for the dataset's row. */
const WAITS_FOR_THE_LOCK = `application_name like 'tidemark %' and query like '%tickets.dataset_state where dataset%for update%'`;

const LARGE = fileName(1);
/** The second of two small files that go in one batch. */
const SMALL = fileName(3);

/** Sets a trap at a boundary. @returns what waits until the worker is in it, kills it there, and lets others on */
type Trap = (scene: Scene) => Promise<() => Promise<void>>;

/** A worker starts within about a second. */
const MOMENTS_MS = [200, 400, 600, 800, 1_000, 1_300, 1_600, 2_000];

const endings: Scenario = {
  title: 'SIGTERM: at any moment of a start, a worker ends',
  files: FEW_FILES,
  async play(scene) {
    for (const ms of MOMENTS_MS) {
      const worker = await scene.work();
      await delay(ms);
      assert.match(await worker.end(), /^(status 0|SIGTERM)$/, worker.said);
    }
    await scene.work();
    await scene.finished(await scene.start());
    await scene.isAsUndisturbed();
  },
};

const IN_TRANSACTION = `application_name like 'tidemark %' and xact_start is not null`;
/** A backend looks for its client every 5 s. */
const SEEN_MS = 10_000;

/** A deployment does not wait for a file. */
const endingOfALoad: Scenario = {
  title: 'SIGTERM: in the middle of a large file, which the next worker loads',
  files: FEW_FILES,
  async play(scene) {
    const held = scene.s3.hold('body', { method: 'GET', key: `changes/${LARGE}` });
    const worker = await scene.work();
    const run = await scene.start();
    await within(REACH_MS, 'a large file is read', held.reached);
    assert.equal(await worker.end(), 'status 0', worker.said.slice(-2_000));
    // A backend hears of its end a moment later, or when it next looks for its client.
    await until(SEEN_MS, 'no transaction is open', async () => (await scene.sessions(IN_TRANSACTION)) === 0);
    held.release();
    await scene.work();
    await scene.finished(run);
    await scene.isAsUndisturbed();
  },
};

type Boundary = readonly [where: string, trap: Trap];

const BOUNDARIES: readonly Boundary[] = [
  ['a large file, waiting for the lock', waitingForTheLock(LARGE)],
  ['a large file, between two stretches of its merge', betweenStretches(LARGE)],
  ['a large file, before its commit', inTransaction('ledger', LARGE)],
  ['a large file, after its commit and before anybody heard of it', afterCommit(LARGE)],
  ['a large file, copied and not deleted', atS3('request', { method: 'DELETE', key: `changes/${LARGE}` })],
  ['a large file, deleted and not answered', atS3('answer', { method: 'DELETE', key: `changes/${LARGE}` })],
  ['a batch, before a commit', inTransaction('ledger', SMALL)],
];

/** Beside those: neighbours of them, which go the same ways through the code. */
const NEIGHBOURS: readonly Boundary[] = [
  ['a large file, in the merge of a stretch', inTransaction('row', LARGE)],
  ['a large file, in its commit, which goes through without it', inTransaction('commit', LARGE)],
  [
    'a large file, its copy asked for and not made',
    atS3('request', { method: 'PUT', key: `processed/${LARGE}` }),
  ],
  [
    'a large file, its copy made and not answered',
    atS3('answer', { method: 'PUT', key: `processed/${LARGE}` }),
  ],
  ['a large file, moved and not noted', inTransaction('note', LARGE)],
  ['a batch, in the middle of a body', atS3('body', { method: 'GET', key: `changes/${SMALL}` })],
  ['a batch, after a commit', afterCommit(SMALL)],
  ['a batch, copied and not deleted', atS3('request', { method: 'DELETE', key: `changes/${SMALL}` })],
  ['a batch, deleted and not answered', atS3('answer', { method: 'DELETE', key: `changes/${SMALL}` })],
  ['a batch, moved and not noted', inTransaction('note', SMALL)],
];

export const kills: readonly Scenario[] = [
  ...BOUNDARIES.map((boundary) => killAt(boundary)),
  ...NEIGHBOURS.map((boundary) => ({ ...killAt(boundary), longOnly: true })),
  endingOfALoad,
  { ...endings, longOnly: true },
];

function killAt([where, trap]: Boundary): Scenario {
  return {
    title: `SIGKILL: ${where}`,
    files: FEW_FILES,
    async play(scene) {
      const kill = await trap(scene);
      await scene.work();
      const run = await scene.start();
      await kill();
      await scene.work();
      await scene.finished(run);
      await scene.isAsUndisturbed();
    },
  };
}

function inTransaction(step: Step, key: string): Trap {
  return async (scene) => {
    const held = await scene.hold(step, key);
    return async () => {
      await held.reached();
      await killAll(scene);
      await held.release();
    };
  };
}

/** The row is locked when the file is asked for: the one before it, which would wait as well, is applied then. */
function waitingForTheLock(key: string): Trap {
  return async (scene) => {
    const asked = scene.s3.hold('request', { method: 'GET', key: `changes/${key}` });
    return async () => {
      await within(REACH_MS, `${key} is asked for`, asked.reached);
      const held = await scene.hold('lock', key);
      asked.release();
      const pid = await held.reached();
      assert.ok((await scene.pids(WAITS_FOR_THE_LOCK)).includes(pid), 'something else waits');
      assert.equal((await scene.world.ledger()).length, 1, 'it is the second file that waits');
      await killAll(scene);
      await held.release();
    };
  };
}

function betweenStretches(key: string): Trap {
  return async (scene) => {
    const { reached } = await inBody(`changes/${key}`, BETWEEN_STRETCHES)(scene);
    return async () => {
      await reached();
      await killAll(scene);
    };
  };
}

/** The commit is held, the worker frozen, the commit let through: so nothing can be told before the kill. */
function afterCommit(key: string): Trap {
  return async (scene) => {
    const held = await scene.hold('commit', key);
    return async () => {
      await held.reached();
      for (const worker of scene.workers) worker.freeze();
      await held.release();
      await until(COMMIT_MS, `${key} is committed`, async () =>
        (await scene.world.ledger()).some((row) => row.key.endsWith(key)),
      );
      await killAll(scene);
    };
  };
}

/** What was held before it was sent on is lost with its sender. */
function atS3(place: Place, choice: Choice): Trap {
  return async (scene) => {
    const held = scene.s3.hold(place, choice);
    return async () => {
      await within(REACH_MS, `the ${choice.method} of ${choice.key} is held`, held.reached);
      await killAll(scene);
    };
  };
}

async function killAll(scene: Scene): Promise<void> {
  for (const worker of scene.workers) await worker.kill();
}
