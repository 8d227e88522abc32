import assert from 'node:assert/strict';
import type { Database } from '../../../src/postgres/database.ts';
import { until } from '../../support/faults/deadline.ts';
import { EMPTY_TABLE, FOUR_FILES, LARGE_FILE } from '../../support/faults/files.ts';
import { PATIENT } from '../../support/faults/ground.ts';
import { assertKind, rehearsed, type Rehearsed } from '../../support/faults/rehearsed.ts';
import type { S3Harm, S3Request } from '../../support/faults/s3Proxy.ts';
import { BETWEEN_STRETCHES, FILLING } from '../../support/faults/written.ts';
import { fileName } from '../../support/incFile.ts';

const NOTICED_MS = 15_000;
/** About half of a large file. */
const HALF = 400_000;

const ENDINGS = { cut: 'a reset', end: 'a clean end', stall: 'silence' } as const;

describe('S3 fails while rows are written ahead of the fence', function () {
  this.timeout(2 * NOTICED_MS + 30_000);

  describe('into an empty table', () => {
    breaks(rehearsed(EMPTY_TABLE, NOTICED_MS, PATIENT), fileName(1), FILLING);
  });
  describe('into a full one, stretch by stretch', () => {
    breaks(rehearsed(FOUR_FILES, NOTICED_MS, PATIENT), LARGE_FILE, BETWEEN_STRETCHES);
  });
});

/** @param written how a session is known that has written rows of the file and waits for more */
function breaks(suite: Rehearsed, file: string, written: string): void {
  for (const body of ['cut', 'end', 'stall'] as const) {
    it(`the body comes to ${ENDINGS[body]}: the retry ends where an undisturbed run does`, async () => {
      let seen = 0;
      const when = async (): Promise<void> => {
        await until('rows are written', () => isSo(suite.ground.db, written));
        seen += 1;
      };
      suite.ground.s3.rule = once(file, { body, after: HALF, when });
      const failures = await suite.survives();
      assert.equal(seen, 1);
      assertKind(failures, body === 'stall' ? 'Stalled' : 'S3Unavailable', 1);
    });
  }
}

/** Harms the first read of a file. */
function once(file: string, harm: S3Harm): (request: S3Request) => S3Harm {
  let done = false;
  return ({ method, key }) => {
    if (done || method !== 'GET' || !key.endsWith(file)) return 'none';
    done = true;
    return harm;
  };
}

async function isSo(db: Database, condition: string): Promise<boolean> {
  const rows = await db.query(
    `select from pg_stat_activity where datname = current_database() and ${condition}`,
  );
  return rows.length > 0;
}
