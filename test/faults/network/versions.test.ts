import assert from 'node:assert/strict';
import { startStack, type Stack } from '../../../dev/embedded.ts';
import { explainTicket } from '../../../src/client/explainTicket.ts';
import type { Servers } from '../../../src/client/servers.ts';
import { verifyTable } from '../../../src/client/verifyTable.ts';
import { inc } from '../../../src/datasets/inc.ts';
import { checkNeeds, needsOf, readServerFacts } from '../../../src/postgres/inspect.ts';
import { readTableFaults } from '../../../src/postgres/tableFaults.ts';
import { within } from '../../support/faults/deadline.ts';
import { LONG } from '../../support/faults/dose.ts';
import { FOUR_FILES } from '../../support/faults/files.ts';
import { assertSameState, openGround, type Ground, type State } from '../../support/faults/ground.ts';
import { ingest } from '../../support/faults/ingest.ts';
import { ALL_PLACES, at, type Place } from '../../support/faults/places.ts';
import { fileName, incFile } from '../../support/incFile.ts';
import { expectedTable, readTable } from '../../support/tables.ts';

const FEW_PLACES: readonly Place[] = ['the middle of a COPY', 'the merge', 'the commit'];

/** 18 is the one that all other tests run on. */
for (const version of LONG ? ([15, 16, 17, 18] as const) : ([15, 16, 17] as const)) {
  describe(`PostgreSQL ${version}`, function () {
    this.timeout(60_000);
    let stack: Stack;
    let ground: Ground;
    let undisturbed: State;

    before(async () => {
      stack = await startStack({ servers: ['postgres'], postgres: { version } });
      ground = await openGround({ postgresUrl: stack.adminDatabaseUrl });
      await ground.reset(FOUR_FILES);
    });
    after(async () => {
      await ground?.close();
      await stack?.stop();
    });

    it('is what runs, migrates, and loads what the naive reading says', async () => {
      const [row] = await ground.db.query<{ version: number }>(
        `select current_setting('server_version_num')::int / 10000 as version`,
      );
      assert.equal(row?.version, version);
      const report = await ingest(ground.deps);
      assert.deepEqual([report.applied, report.archived], [4, 4]);
      const files = Object.entries(FOUR_FILES).map(([file, body]) => ({
        key: inc.changesPrefix + file,
        body,
      }));
      assert.deepEqual(await readTable(ground.db, inc), expectedTable(inc, files));
      undisturbed = await ground.state();
      const { table: _table, ...rest } = undisturbed;
      assert.deepEqual([rest.openFailures, rest.archiveDebt, rest.ledger.length], [[], 0, 4]);
    });

    it('changes nothing in a second run', async () => {
      assert.equal((await ingest(ground.deps)).applied, 0);
      assertSameState(await ground.state(), undisturbed);
    });

    it('answers what doctor, explain and verify ask', async () => {
      const { pool, store } = ground.deps;
      const servers = { pool: () => pool, store: () => store, db: pool } as unknown as Servers;
      const { verdict, files } = await verifyTable(servers, {
        dataset: inc,
        values: 'withheld',
        onProgress: () => undefined,
      });
      assert.deepEqual([verdict, files], ['equal', 4]);
      // Each verb has a session of its own, with its own copy.
      const { filesRead } = await pool.withSession(undefined, () =>
        explainTicket(servers, inc, 'nobody', () => undefined),
      );
      assert.equal(filesRead, 4);
      assert.equal(Math.floor((await readServerFacts(pool)).version / 10_000), version);
      assert.ok((await checkNeeds(pool, needsOf([inc]))).every((state) => state === 'granted'));
      assert.deepEqual(await readTableFaults(pool, inc), []);
    });

    it('runs the real workflow on a late, a changed and a refused file', async () => {
      await ground.put(fileName(0), incFile([{ ticket_id: 'L' }]));
      await ground.put(fileName(4), incFile([{ ticket_id: 'C' }]));
      const seen = await ground.runWorkflow();
      assert.deepEqual([seen.late.total, seen.changed.total, seen.applied], [1, 1, 0]);
      await ground.put(fileName(5), incFile([{ ticket_id: 'B', mttr: 'hushhush' }]));
      await assert.rejects(ground.runWorkflow());
      const [failure] = (await ground.state()).openFailures.slice(-1) as { kind: string; line: number }[];
      assert.deepEqual([failure?.kind, failure?.line], ['RowsRejected', 2]);
    });

    it('loses nothing when answers are lost or sessions ended', async () => {
      for (const place of LONG ? ALL_PLACES : FEW_PLACES) {
        await ground.restart();
        await ground.reset();
        const harm = at(place, () => (place === 'the commit' ? 'lose the answer' : 'cut'), 2);
        ground.postgres.rule = harm.rule;
        await within(30_000, place, ingest(ground.deps));
        assert.equal(harm.hits(), 2, place);
        assertSameState(await ground.state(), undisturbed);
        await ground.nothingLeft();
      }
    });
  });
}
