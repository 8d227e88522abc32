import assert from 'node:assert/strict';
import { DOSE_TIMEOUT_MS, steps } from '../../support/faults/dose.ts';
import { FOUR_FILES } from '../../support/faults/files.ts';
import { assertSameState, openGround, type Ground, type State } from '../../support/faults/ground.ts';
import { ingest, type Report } from '../../support/faults/ingest.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';

/** How many of the steps the bounded form tries. */
const FEW = 12;

describe('PostgreSQL fails at step 1, 2, 3 …', function () {
  this.timeout(DOSE_TIMEOUT_MS);
  let ground: Ground;
  let undisturbed: { report: Report; state: State };
  let messages: number;

  before(async () => {
    ground = await openGround();
    await ground.reset(FOUR_FILES);
    await ground.restart();
    undisturbed = { report: await ingest(ground.deps), state: await ground.state() };
    messages = ground.postgres.count;
  });
  after(() => ground.close());

  it('undisturbed, the files are applied and archived', () => {
    assert.equal(undisturbed.report.applied, 4);
    assert.equal(undisturbed.report.archived, 4);
    assert.equal(undisturbed.state.archiveDebt, 0);
    assert.ok(messages > 100, `${messages} messages`);
  });

  for (const harm of ['cut', 'cut in the middle', 'lose the answer'] satisfies Harm[]) {
    it(`${harm}: the retry ends where an undisturbed run does`, async () => {
      let tried = 0;
      for (const step of steps(`postgres ${harm}`, messages, FEW)) {
        await ground.restart();
        await ground.reset();
        let failed = false;
        ground.postgres.rule = ({ n }) => {
          if (n === step) failed = true;
          return n === step ? harm : 'none';
        };
        const report = await ingest(ground.deps).catch((error: unknown) => {
          throw new Error(`at message ${step} of ${messages}`, { cause: error });
        });
        assert.ok(failed, `message ${step} never came`);
        assert.deepEqual(report, undisturbed.report, `at message ${step}`);
        assertSameState(await ground.state(), undisturbed.state);
        await ground.nothingLeft();
        tried += 1;
      }
      assert.ok(tried > 0);
    });
  }
});
