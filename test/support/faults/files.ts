/** Four change files: small, large, small, small; every count of the ledger is more than zero somewhere. */

import { fileName, incFile, type Cells } from '../incFile.ts';
import type { Files } from './ground.ts';

const row = (n: number, cells: Cells = {}): Cells => ({ ticket_id: `T${n}`, ...cells });

/** Several times what goes as a small file: its bytes cross the limits of chunks, blocks and socket buffers. */
const LARGE_ROWS = 1_000;

export const FOUR_FILES: Files = {
  [fileName(1)]: incFile([row(1), row(2), row(3), row(2, { priority: 'superseded' })]),
  [fileName(2)]: incFile([
    { ticket_id: 'EXPORT STOPPED: limit' },
    row(1, { priority: 'from the large one' }),
    row(2, { is_alarm: 'true' }),
    ...Array.from({ length: LARGE_ROWS }, (_unused, n) => row(n + 10, { title: `${n} `.padEnd(300, 'x') })),
  ]),
  [fileName(3)]: incFile([row(1), row(11, { priority: 'third' }), row(9_000)]),
  [fileName(4)]: incFile([row(3), row(9_000, { mttr: '1.5' })]),
};

/** The key order's second: the one that goes through COPY with a stream from S3 behind it. */
export const LARGE_FILE = fileName(2);

/** The first is large: it is copied straight into the table. */
export const EMPTY_TABLE: Files = {
  [fileName(1)]: incFile(
    Array.from({ length: LARGE_ROWS }, (_unused, n) => row(n, { title: `${n} `.padEnd(300, 'x') })),
  ),
  [fileName(2)]: incFile([row(1), row(9_000)]),
};

/** Rows of a file that is merged in several stretches, each of a block of 256 KiB or more. */
const STRETCHES_ROWS = 4_000;

/** The second changes rows of the first, repeats some, and brings new ones, all mixed: it is merged while it is read. */
export const FULL_TABLE: Files = {
  [fileName(1)]: incFile(
    Array.from({ length: LARGE_ROWS }, (_unused, n) => row(n, { title: `${n} `.padEnd(300, 'x') })),
  ),
  [fileName(2)]: incFile(
    Array.from({ length: STRETCHES_ROWS }, (_unused, n) => ({
      ...row(n % 3 === 0 ? n / 3 : n + 10_000, { title: `${n % 3 === 0 ? n / 3 : n} `.padEnd(300, 'x') }),
      ...(n % 6 === 0 && { priority: 'changed' }),
    })),
  ),
  [fileName(3)]: incFile([row(1), row(9_000)]),
};
