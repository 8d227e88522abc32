/** Backlogs of change files for the fault tests. */

import { LARGE_FILE_BYTES } from '../../../src/domain/slots.ts';
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

/** A small baseline, a large delta, two small ones: one array, whose undisturbed run is made once for all. */
export const FEW_FILES = backlogOf({ files: 4, large: [1] });

/** A small baseline, and a file for the queue of large ones: in an ordinary slot its load would be given up after 5 s. */
export const SLOW_FILES: readonly TestFile[] = [
  ...backlogOf({ files: 1, large: [] }),
  {
    name: nameOf(1),
    body: incFile(
      Array.from({ length: LARGE_FILE_BYTES / 4_096 }, (_row, i) => ({
        ticket_id: `SHARED-${i}`,
        title: 'x'.repeat(4_096),
      })),
    ),
  },
];

/** As `fileName`, for more than a day. */
function nameOf(n: number): string {
  const at = new Date(Date.UTC(2026, 2, 1, 0, n)).toISOString();
  return `${at.slice(0, 19).replaceAll(':', '-')}.csv`;
}
