/** The runs whose histories are frozen at each release: one for each way that the workflow can go. */

import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { registerAttributes } from '../../src/client/searchAttributes.ts';
import { inc } from '../../src/datasets/inc.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { fileName, incFile } from '../support/incFile.ts';
import type { World } from '../support/world.ts';

/** A run to record: what lies in the bucket, what the dataset is, how it goes. */
export interface Scenario {
  readonly name: string;
  readonly dataset?: Partial<Dataset>;
  arrange(world: World): Promise<void>;
  /** Starts another workflow than a run. */
  start?(world: World): Promise<WorkflowHandleWithFirstExecutionRunId>;
  /** Meddles with the run while it goes. */
  meddle?(world: World): Promise<void>;
}

const put = async (world: World, ...numbers: readonly number[]): Promise<void> => {
  for (const n of numbers) await world.put(fileName(n), incFile([{ ticket_id: `T${n}` }]));
};
const putBad = (world: World, n: number): Promise<string> =>
  world.put(fileName(n), incFile([{ ticket_id: 'B', mttr: 'x' }]));

/** Three files, applied and archived, and a rebuilder. */
async function putAndRun(world: World): Promise<void> {
  await put(world, 1, 2, 3);
  await world.run();
  await world.rebuildWork();
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'nothing-pending', arrange: async () => undefined },
  { name: 'small-files', arrange: (world) => put(world, 1, 2, 3) },
  {
    name: 'large-file',
    arrange: async (world) => {
      const rows = Array.from({ length: 400 }, (_unused, n) => ({
        ticket_id: `L${n}`,
        title: 'x'.repeat(1000),
      }));
      await world.put(fileName(1), incFile(rows));
      await put(world, 2);
    },
  },
  {
    name: 'poison-third-of-five',
    arrange: async (world) => {
      await put(world, 1, 2, 4, 5);
      await putBad(world, 3);
    },
  },
  {
    name: 'failed-before',
    arrange: async (world) => {
      const key = await putBad(world, 1);
      await world.load(key).catch(() => undefined);
    },
  },
  {
    name: 'late-held-and-applied-before',
    arrange: async (world) => {
      await put(world, 2, 3);
      await world.load(inc.changesPrefix + fileName(2));
      await put(world, 1);
    },
  },
  {
    name: 'late-applied',
    dataset: { latePolicy: 'apply' },
    arrange: async (world) => {
      await put(world, 2);
      await world.load(inc.changesPrefix + fileName(2));
      await put(world, 1);
    },
  },
  { name: 'settling', dataset: { settleMs: 3_600_000 }, arrange: (world) => put(world, 1) },
  { name: 'archives-nothing', dataset: { archive: false }, arrange: (world) => put(world, 1, 2) },
  {
    name: 'dataset-held-then-free',
    arrange: (world) => put(world, 1, 2),
    meddle: (world) =>
      world.db.transaction(async (tx) => {
        await tx.query(`select from tickets.dataset_state where dataset = 'inc' for update`);
        await tx.query(`select pg_sleep(2)`);
      }),
  },
  {
    name: 'two-pages',
    arrange: async (world) => {
      for (let n = 0; n < 501; n++) await put(world, n);
    },
  },
  {
    name: 'continued-as-new',
    arrange: async (world) => {
      for (let n = 0; n < 1001; n++) await put(world, n);
    },
  },
  { name: 'rebuild-applied', arrange: putAndRun, start: (world) => world.startRebuild({ agreed: true }) },
  {
    name: 'rebuild-dropped',
    arrange: putAndRun,
    start: async (world) => {
      const handle = await world.startRebuild({});
      await handle.signal('decide', false);
      return handle;
    },
  },
  {
    name: 'rebuild-as-of',
    arrange: putAndRun,
    start: (world) => world.startRebuild({ asOf: inc.changesPrefix + fileName(2), agreed: true }),
  },
  {
    name: 'rebuild-file-missing',
    arrange: async (world) => {
      await putAndRun(world);
      await world.remove(inc.processedPrefix + fileName(2));
    },
    start: (world) => world.startRebuild({ agreed: true }),
  },
  // The last: the server has the attributes from then on.
  {
    name: 'search-attributes',
    arrange: async (world) => {
      await registerAttributes(world.shared.temporal);
      await put(world, 1, 2);
    },
  },
];
