/** A worker killed, or frozen, in the middle of the COPY that fills an empty table. */

import { backlogOf } from '../../support/faults/backlog.ts';
import type { Scenario } from '../../support/faults/scene.ts';
import { FILLING } from '../../support/faults/written.ts';
import { fileName } from '../../support/incFile.ts';
import { haunted, inBody } from './zombies.ts';

/** The first file is large, and the table empty. */
const FILES = backlogOf({ files: 3, large: [0] });
const FIRST = `changes/${fileName(0)}`;

export const fills: readonly Scenario[] = [
  {
    title: 'SIGKILL: a first file, half of it in the table',
    files: FILES,
    async play(scene) {
      const { reached } = await inBody(FIRST, FILLING)(scene);
      const worker = await scene.work();
      const run = await scene.start();
      await reached();
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
      await haunted(scene, inBody(FIRST, FILLING));
      await scene.isAsUndisturbed();
    },
  },
];
