/** Backlogs of change files for the fault tests. */

import { incFile } from '../incFile.ts';
import type { TestFile } from './compare.ts';

/** Rows of a large file: some 2 MB, well above what is loaded in a batch. */
const LARGE_ROWS = 3_000;

/**
 * Files in order; each one changes rows of the ones before and adds its own, so that one left out, doubled or taken out
 * of order shows in the table.
 *
 * @param input.large which of them are large
 */
export function backlogOf(input: { readonly files: number; readonly large: readonly number[] }): TestFile[] {
  return Array.from({ length: input.files }, (_unused, n) => {
    const rows = input.large.includes(n) ? LARGE_ROWS : 5;
    const cells = Array.from({ length: rows }, (_row, i) => ({
      ticket_id: i % 2 === 0 ? `SHARED-${i}` : `T${n}-${i}`,
      priority: `P${n}`,
      mttr: `${n}.5`,
    }));
    return { name: nameOf(n), body: incFile(cells) };
  });
}

/** As `fileName`, for more than a day. */
function nameOf(n: number): string {
  const at = new Date(Date.UTC(2026, 2, 1, 0, n)).toISOString();
  return `${at.slice(0, 19).replaceAll(':', '-')}.csv`;
}
