/** A ground on which files were ingested once without a fault, for suites that then ingest them under faults. */

import assert from 'node:assert/strict';
import type { FailureKind, TidemarkFailure } from '../../../src/domain/failures.ts';
import {
  assertSameState,
  openGround,
  type Files,
  type Ground,
  type GroundOptions,
  type State,
} from './ground.ts';
import { ingest, type Report } from './ingest.ts';

export interface Rehearsed {
  readonly ground: Ground;
  /** What the run without a fault came to. */
  readonly undisturbed: { readonly report: Report; readonly state: State };
  /**
   * Ingests under the faults that were set, to the end, and compares.
   *
   * @param onFailure hears how many there were by then
   * @returns the failures that were retried
   */
  survives(onFailure?: (count: number) => void): Promise<readonly TidemarkFailure[]>;
}

/** Adds the hooks to the suite that calls it. @param attemptMs how long an attempt may take under a fault */
export function rehearsed(files: Files, attemptMs: number, options?: GroundOptions): Rehearsed {
  let ground: Ground;
  let undisturbed: { report: Report; state: State };

  before(async () => {
    ground = await openGround(options);
    await ground.reset(files);
    undisturbed = { report: await ingest(ground.deps), state: await ground.state() };
  });
  beforeEach(async () => {
    await ground.restart();
    await ground.reset();
  });
  after(() => ground.close());

  return {
    get ground() {
      return ground;
    },
    get undisturbed() {
      return undisturbed;
    },
    async survives(onFailure) {
      const failures: TidemarkFailure[] = [];
      const report = await ingest(ground.deps, {
        attemptMs,
        onFailure: (failure) => {
          failures.push(failure);
          onFailure?.(failures.length);
        },
      });
      assert.deepEqual(report, undisturbed.report);
      assertSameState(await ground.state(), undisturbed.state);
      await ground.nothingLeft();
      return failures;
    },
  };
}

/** That these failures are of one kind, as many as said; another one is told in its own words. */
export function assertKind(
  failures: readonly TidemarkFailure[],
  kind: FailureKind,
  count = failures.length,
): void {
  assert.deepEqual(
    failures.map((failure) => (failure.kind === kind ? kind : failure.message)),
    Array.from({ length: count }, () => kind),
  );
}
