import assert from 'node:assert/strict';
import pg from 'pg';
import { until } from '../../support/faults/deadline.ts';
import { assertSameState, openGround, type Ground } from '../../support/faults/ground.ts';
import { ingest } from '../../support/faults/ingest.ts';
import { fileName, incFile } from '../../support/incFile.ts';

/** Nothing here goes away by itself. */
const LOOK_MS = 300;

/** Who finds nothing must have looked: what a scenario leaves behind is left on purpose. */
describe('the look at the end of a scenario finds', function () {
  this.timeout(60_000);
  let ground: Ground;
  before(async () => {
    ground = await openGround();
  });
  beforeEach(async () => {
    await ground.restart();
    await ground.reset();
    await ground.deps.pool.query('select 1');
    await ground.nothingLeft(LOOK_MS);
  });
  after(() => ground.close());

  const finds = (what: RegExp): Promise<void> => assert.rejects(ground.nothingLeft(LOOK_MS), what);

  it('a transaction that is open', () =>
    ground.deps.pool.withSession(undefined, async (session) => {
      await session.query('begin');
      await finds(/nothing is left \(.*idle in transaction: begin/);
      await session.query('rollback');
    }));

  it('a session whose connection is none of the worker’s', async () => {
    const other = new pg.Client({ connectionString: ground.url });
    await other.connect();
    await finds(/nothing is left \(.*1 connections/);
    await other.end();
  });

  it('a silent connection whose socket is not closed', async () => {
    ground.postgres.stallAll();
    await finds(/holds no silent connection/);
  });

  it('a request to S3 that is under way', async () => {
    ground.s3.rule = () => 'stay silent';
    const asked = ground.deps.store.head({ key: 'k' }).catch(() => undefined);
    await until('it is under way', () => ground.s3.open() > 0);
    await finds(/nothing is left \(.*1 requests/);
    await asked;
  });

  it('a row, a deed and an object that differ', async () => {
    await ground.reset({ [fileName(1)]: incFile([{ ticket_id: 'A' }]) });
    await ingest(ground.deps);
    const good = await ground.state();
    assertSameState(await ground.state(), good);
    for (const [table, spoilt, mended] of [
      ['inc', 'mttr = 1', 'mttr = null'],
      ['import_meta', 'archived_at = null', 'archived_at = imported_at'],
    ]) {
      await ground.db.query(`update tickets.${table} set ${spoilt}`);
      const bad = await ground.state();
      assert.throws(() => assertSameState(bad, good), assert.AssertionError);
      await ground.db.query(`update tickets.${table} set ${mended}`);
      assertSameState(await ground.state(), good);
    }
    await ground.put('beside', '');
    const more = await ground.state();
    assert.throws(() => assertSameState(more, good), assert.AssertionError);
  });
});
