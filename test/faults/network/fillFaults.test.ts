import assert from 'node:assert/strict';
import { LONG } from '../../support/faults/dose.ts';
import { EMPTY_TABLE } from '../../support/faults/files.ts';
import { at, type Place, endSessions } from '../../support/faults/places.ts';
import { rehearsed } from '../../support/faults/rehearsed.ts';

const NOTICED_MS = 15_000;
const PLACES: readonly Place[] = [
  'the lock',
  'the beginning of a COPY',
  'the middle of a COPY',
  'the end of a COPY',
  'the ledger row',
  'the commit',
];
const HARMS = ['stall', 'cut', 'lose the answer', 'end of all sessions'] as const;

/** In the bounded form every third: each place, each harm. */
const CASES = HARMS.flatMap((harm, i) =>
  PLACES.map((place, j) => ({ harm, place, few: (i + j) % 3 === 0 })),
).filter(({ few }) => LONG || few);

/** The only load that holds locks while it reads. */
describe('PostgreSQL fails while an empty table is filled', function () {
  this.timeout(2 * NOTICED_MS + 30_000);
  const suite = rehearsed(EMPTY_TABLE, NOTICED_MS);

  for (const { harm, place } of CASES) {
    it(`${harm} at ${place}: the retry ends where an undisturbed run does`, async () => {
      const end = endSessions(suite.ground.db);
      const hit = at(place, () => (harm === 'end of all sessions' ? end() : harm));
      suite.ground.postgres.rule = hit.rule;
      await suite.survives();
      assert.equal(hit.hits(), 1);
    });
  }
});
