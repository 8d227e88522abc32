import assert from 'node:assert/strict';
import { EMPTY_TABLE } from '../../support/faults/files.ts';
import { at, type Place, endSessions } from '../../support/faults/places.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';
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

/** The only load that holds locks while it reads. */
describe('PostgreSQL fails while an empty table is filled', function () {
  this.timeout(2 * NOTICED_MS + 30_000);
  const suite = rehearsed(EMPTY_TABLE, NOTICED_MS);

  for (const place of PLACES) {
    for (const harm of ['stall', 'cut', 'lose the answer'] satisfies Harm[]) {
      it(`${harm} at ${place}: the retry ends where an undisturbed run does`, async () => {
        const hit = at(place, () => harm);
        suite.ground.postgres.rule = hit.rule;
        await suite.survives();
        assert.equal(hit.hits(), 1);
      });
    }

    it(`pg_terminate_backend of all sessions at ${place}`, async () => {
      const hit = at(place, endSessions(suite.ground.db));
      suite.ground.postgres.rule = hit.rule;
      await suite.survives();
      assert.equal(hit.hits(), 1);
    });
  }
});
