/** The open rebuild of a dataset: found, or started. */

import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import type { Dataset } from '../datasets/dataset.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { askRebuild, readRebuild, withdrawRebuild, type Rebuild } from '../postgres/rebuildRecord.ts';
import type { rebuildDataset } from '../workflows/rebuildDataset.ts';
import { Problem } from './problem.ts';
import { rebuildQueue } from './rebuildQueue.ts';
import type { Servers } from './servers.ts';
import { printable } from './terminal.ts';

/** The workflow's registered name. */
const WORKFLOW_TYPE = 'rebuildDataset';

/** Others that may begin one in the same moment. */
const MAX_TRIES = 3;

/** What is wanted. */
export interface WantedRebuild {
  readonly from: ObjectKey | undefined;
  readonly asOf: ObjectKey | undefined;
  readonly removes: boolean;
  readonly agreed: boolean;
  readonly removesMany: boolean;
  readonly removesIncomplete: boolean;
  readonly request: { readonly who: string; readonly reason: string };
}

/** An open rebuild. */
export interface RebuildRun {
  /** In `tickets.rebuilds`. */
  readonly id: number;
  readonly handle: WorkflowHandle<typeof rebuildDataset>;
  /** Whether it was there before. */
  readonly attached: boolean;
}

/**
 * Attaches to the open rebuild of the dataset, or starts one.
 *
 * @throws Problem where the open one is another than the wanted one
 */
export async function findOrBegin(
  servers: Servers,
  client: Client,
  dataset: Dataset,
  wanted: WantedRebuild,
): Promise<RebuildRun> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const open = await findOpen(client, dataset);
    if (open) {
      refuseOther(dataset, await readRebuild(servers.db, open.id), wanted);
      return open;
    }
    const begun = await begin(servers, client, dataset, wanted);
    if (begun) return begun;
  }
  throw new Problem(`others rebuild ${dataset.name} in the same moment: try again`);
}

function workflowIdOf(dataset: Dataset): string {
  return `rebuild-${dataset.name}`;
}

async function findOpen(client: Client, dataset: Dataset): Promise<RebuildRun | undefined> {
  const workflowId = workflowIdOf(dataset);
  const handle = client.workflow.getHandle<typeof rebuildDataset>(workflowId);
  try {
    const { status, memo, runId } = await handle.describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return undefined;
    const id = memo?.['rebuild'];
    if (typeof id !== 'number') {
      throw new Problem(`the open rebuild ${workflowId} was started by hand: answer it in the Temporal UI`);
    }
    const pinned = client.workflow.getHandle<typeof rebuildDataset>(workflowId, runId);
    return { id, handle: pinned, attached: true };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Who and why go to PostgreSQL alone; Temporal gets the number under which they stand there.
 *
 * @returns undefined, and nothing left behind, where another one was started meanwhile
 */
async function begin(
  { db, config }: Servers,
  client: Client,
  dataset: Dataset,
  { from, asOf, removes, agreed, removesMany, removesIncomplete, request }: WantedRebuild,
): Promise<RebuildRun | undefined> {
  const id = await askRebuild(db, { dataset: dataset.name, from, asOf, removes, ...request });
  const yes = {
    ...(agreed && { agreed }),
    ...(agreed && removesMany && { removesMany }),
    ...(removesIncomplete && { removesIncomplete }),
  };
  try {
    const handle = await client.workflow.start<typeof rebuildDataset>(WORKFLOW_TYPE, {
      workflowId: workflowIdOf(dataset),
      taskQueue: rebuildQueue(config.taskQueue),
      args: [{ dataset: dataset.name, rebuild: id, ...yes }],
      memo: { rebuild: id },
      staticSummary: `${dataset.name}: rebuild number ${id}`,
    });
    return { id, handle, attached: false };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    await withdrawRebuild(db, id);
    return undefined;
  }
}

function refuseOther(dataset: Dataset, open: Rebuild, { from, asOf, removes }: WantedRebuild): void {
  const isFrom = (from ?? null) === open.from || from === open.baseKey;
  if (isFrom && (asOf ?? null) === open.asOf && removes === open.removes) return;
  throw new Problem(
    `another rebuild of ${dataset.name} is open, number ${open.id}: ${optionsOf(open) || 'without options'}.\n` +
      `To follow it: ${commandOf(dataset, open)}\n` +
      `To give it up: temporal workflow cancel --workflow-id ${workflowIdOf(dataset)}`,
  );
}

/** The command that attaches to a rebuild. */
export function commandOf(dataset: Dataset, rebuild: RebuildOptions): string {
  return ['tidemark rebuild', dataset.name, optionsOf(rebuild), '--reason TEXT'].filter(Boolean).join(' ');
}

/** What tells one rebuild of a dataset from another. */
interface RebuildOptions {
  readonly from: ObjectKey | null | undefined;
  readonly asOf: ObjectKey | null | undefined;
  readonly removes: boolean;
}

function optionsOf({ from, asOf, removes }: RebuildOptions): string {
  const options = [
    from ? `--from ${printable(from)}` : '',
    asOf ? `--as-of ${printable(asOf)}` : '',
    removes ? '--remove' : '',
  ];
  return options.filter(Boolean).join(' ');
}
