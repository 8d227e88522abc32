/**
 * A dataset's table, built anew from the files that the ledger names, beside the live one; then the difference, written
 * into the live one once a person has agreed. Runs on the rebuilder's task queue alone.
 */

import {
  ActivityCancellationType,
  CancellationScope,
  condition,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { AppliedRebuild, ApplyRebuildInput, RebuildActivities } from '../activities/rebuildInterface.ts';
import type { Difference } from '../domain/difference.ts';
import { finalFailure, unwrapped } from './activityCalls.ts';
import { nameOf } from '../domain/changeFile.ts';

/** What a rebuild is started with: a row of `tickets.rebuilds`, which says the rest. */
export interface RebuildDatasetInput {
  readonly dataset: string;
  readonly rebuild: number;
  /** Whether the difference is written without asking; absent: it waits for the signal `decide`. */
  readonly agreed?: boolean;
  /** Whether that may remove more than a fifth of the live tickets, which nobody has seen. */
  readonly removesMany?: boolean;
  /** Whether it may remove tickets though the file that it begins with was cut short, or has rejected rows. */
  readonly removesIncomplete?: boolean;
}

/** A rebuild's report. */
export interface RebuildResult {
  readonly dataset: string;
  readonly rebuild: number;
  /** `dropped`: nobody agreed. */
  readonly outcome: 'applied' | 'dropped' | 'kept';
  /** The file that it began with. */
  readonly from: string;
  /** Files merged. */
  readonly files: number;
  readonly difference?: Difference;
  readonly inserted?: number;
  readonly updated?: number;
  readonly removed?: number;
  /** `schema.table` of a table that is kept. */
  readonly table?: string;
  readonly rows?: number;
  /** Set where nobody else may read it, since the live table has row level security. */
  readonly grants?: 'withheld';
}

/** How many tickets may be removed: `few` are up to a fifth of the live ones. */
type Removing = 'few' | 'any';

/**
 * Tells a rebuild that waits whether its difference is to be written. The first answer counts; `few` comes of who has not
 * seen it.
 */
const decide = defineSignal<[boolean, Removing?]>('decide');

/** A built table that nobody decides about is dropped after this. */
const PATIENCE = '7 days';

/** Loads that go on make a build fall behind: it catches up at most so often, then a person has to pause them. */
const MAX_ROUNDS = 50;

const activities = proxyActivities<RebuildActivities>({
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  startToCloseTimeout: '6 hours',
  scheduleToCloseTimeout: '24 hours',
  heartbeatTimeout: '12 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** @throws ApplicationFailure where a file is missing, or cannot be merged: the live table is as it was */
export async function rebuildDataset(input: RebuildDatasetInput): Promise<RebuildResult> {
  checkInput(input);
  const { dataset, rebuild } = input;
  let agreed = input.agreed;
  let removing: Removing = input.removesMany === true ? 'any' : 'few';
  setHandler(decide, (answer, upTo = 'any') => {
    if (agreed !== undefined) return;
    agreed = answer;
    removing = upTo;
  });
  const ours = { dataset, rebuild };
  try {
    const begun = await unwrapped(
      activities.beginRebuild(input.removesIncomplete === true ? { ...ours, removesIncomplete: true } : ours),
    );
    const files = await build(ours);
    const facts = { dataset, rebuild, from: begun.from };
    if (begun.asOf !== undefined) {
      const kept = await unwrapped(activities.keepRebuild(ours));
      return { ...facts, outcome: 'kept', files, ...kept };
    }
    const difference = await compare(ours);
    setCurrentDetails(`${differenceLine(difference)} Waiting for the signal \`decide\`: true or false.`);
    await condition(() => agreed !== undefined, PATIENCE);
    if (agreed !== true) {
      await activities.dropRebuild(ours);
      return { ...facts, outcome: 'dropped', files, difference };
    }
    const { outcome, ...applied } = await apply(removing === 'few' ? { ...ours, removing } : ours);
    setCurrentDetails(`Applied. ${differenceLine(applied.difference)}`);
    return { ...facts, outcome, files, ...applied };
  } catch (error) {
    // What cannot be dropped now, the next rebuild of the dataset drops: the first error is the one to tell.
    await CancellationScope.nonCancellable(() => activities.dropRebuild(ours)).catch(() => undefined);
    throw error;
  }
}

type Ours = Pick<RebuildDatasetInput, 'dataset' | 'rebuild'>;

/** Merges files until the ledger has no more. @returns how many in all */
async function build(ours: Ours): Promise<number> {
  for (;;) {
    const { done, left, rows } = await unwrapped(activities.buildFiles(ours));
    setCurrentDetails(`**${done} files merged**, ${left} left, ${rows} rows.`);
    if (left === 0) return done;
  }
}

async function compare(ours: Ours): Promise<Difference> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const compared = await unwrapped(activities.compareRebuild(ours));
    if (compared.outcome === 'compared') return compared.difference;
    await build(ours);
  }
  throw tooBusy(ours);
}

async function apply(
  ours: ApplyRebuildInput,
): Promise<Extract<AppliedRebuild, { readonly outcome: 'applied' }>> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const applied = await unwrapped(activities.applyRebuild(ours));
    if (applied.outcome === 'applied') return applied;
    await build({ dataset: ours.dataset, rebuild: ours.rebuild });
  }
  throw tooBusy(ours);
}

function tooBusy({ dataset }: Ours): Error {
  const message =
    `${dataset}: files are loaded faster than a rebuild can follow. ` +
    `Pause them, and rebuild again: tidemark schedule pause ${nameOf(dataset)}`;
  return finalFailure({ kind: 'PostgresBusy', message, details: { dataset } });
}

function differenceLine({ missing, different, extra, built }: Difference): string {
  return `**${missing} rows missing, ${different} different, ${extra} that no file leads to**, of ${built} built.`;
}

/** Who starts it by hand may forget the input: an error of ours would be retried for ever, this ends the run. */
function checkInput(input: RebuildDatasetInput | undefined): void {
  if (typeof input?.dataset === 'string' && typeof input.rebuild === 'number') return;
  const message = 'a rebuild is started by: tidemark rebuild DATASET --reason TEXT';
  throw finalFailure({ kind: 'BadRequest', message, details: {} });
}
