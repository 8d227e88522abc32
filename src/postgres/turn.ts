/** Whether it is a file's turn: decided under the fence, from what the ledger says. */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Reading } from '../rows/row.ts';
import type { Fence } from './fence.ts';
import type { MergeMode } from './merge.ts';

/** A file that is to be applied. */
export interface Turn {
  readonly dataset: Dataset;
  readonly key: string;
  readonly mode: MergeMode;
  readonly reading: Reading;
  /** Known to be applied: a ledger whose watermark is below it went back in time. */
  readonly knownWatermark?: string | undefined;
}

/**
 * Why the file is not to be applied, if it is not.
 *
 * @throws TidemarkFailure BaselineTooSmall; LedgerBehind where the ledger went back in time since the run began
 */
export function refusalOf(
  fence: Fence,
  { dataset, key, mode, reading, knownWatermark }: Turn,
): { readonly outcome: 'already' | 'late' } | undefined {
  if (fence.known && mode !== 'reload') return { outcome: 'already' };
  if (fence.skipped && mode !== 'reload') return { outcome: 'late' };
  if (knownWatermark !== undefined && isBelow(fence.watermark, knownWatermark))
    throw ledgerWentBack(knownWatermark);
  if (mode !== 'inOrder') return undefined;
  if (!isBelow(fence.watermark, key) || fence.stopped) return { outcome: 'late' };
  if (fence.watermark === null) checkBaseline(dataset, reading);
  return undefined;
}

/** By bytes: the fence's query compares with collate "C", and so does this. */
function isBelow(watermark: string | null, key: string): boolean {
  return watermark === null || Buffer.compare(Buffer.from(watermark), Buffer.from(key)) < 0;
}

/** Files up to `key` were applied, and perhaps archived: this one would be applied without them. */
function ledgerWentBack(key: string): TidemarkFailure {
  return new TidemarkFailure(
    'LedgerBehind',
    'this run knows it to be applied, and the ledger does not any more',
    { key },
    'PostgreSQL went back to an earlier point. The next run says what it has forgotten',
  );
}

/** @throws TidemarkFailure BaselineTooSmall where the dataset asks for more rows */
export function checkBaseline(dataset: Dataset, reading: Reading): void {
  if (reading.read >= dataset.minBaselineRows) return;
  throw new TidemarkFailure(
    'BaselineTooSmall',
    `the baseline has ${reading.read} rows, fewer than ${dataset.minBaselineRows}`,
  );
}
