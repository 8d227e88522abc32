/** A worker killed, or frozen, in the middle of the COPY that fills an empty table. */

import { backlogOf } from '../../support/faults/backlog.ts';
import { until, within } from '../../support/faults/bounds.ts';
import type { Held } from '../../support/faults/s3Gate.ts';
import type { Scenario, Scene } from '../../support/faults/scene.ts';
import { fileName } from '../../support/incFile.ts';
import { atS3, haunted } from './zombies.ts';

/** The first file is large, and the table empty. */
const FILES = backlogOf({ files: 3, large: [0] });
const FIRST = `changes/${fileName(0)}`;

const REACH_MS = 120_000;
/** A session that has copied rows into the table itself, and waits for more. */
const FILLING = `application_name like 'tidemark %' and wait_event = 'ClientRead' and query like 'copy tickets.%'`;

export const fills: readonly Scenario[] = [
  {
    title: 'SIGKILL: a first file, half of it in the table',
    files: FILES,
    async play(scene) {
      const held = scene.s3.hold('body', { method: 'GET', key: FIRST });
      const worker = await scene.work();
      const run = await scene.start();
      await filling(scene, held);
      await worker.kill();
      await scene.work();
      await scene.finished(run);
      await scene.isAsUndisturbed();
    },
  },
  {
    title: 'zombie: a first file, half of it in the table',
    files: FILES,
    async play(scene) {
      await haunted(scene, atS3('body', 'GET', FIRST));
      await scene.isAsUndisturbed();
    },
  },
];

async function filling(scene: Scene, held: Held): Promise<void> {
  await within(REACH_MS, 'half of the file is read', held.reached);
  await until(REACH_MS, 'rows are copied into the table', async () => (await scene.sessions(FILLING)) === 1);
}
