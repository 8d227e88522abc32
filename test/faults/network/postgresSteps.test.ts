import assert from 'node:assert/strict';
import { DOSE_TIMEOUT_MS, steps } from '../../support/faults/dose.ts';
import { EMPTY_TABLE, FOUR_FILES } from '../../support/faults/files.ts';
import { assertSameState, openGround, type Ground, type State } from '../../support/faults/ground.ts';
import { ingest, type Report } from '../../support/faults/ingest.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';

/** On a busy machine one may take more messages than the runs after it, and steps that no other comes to. */
const REHEARSALS = 3;

/** @param few how many of the steps the bounded form tries, for each harm */
for (const [what, files, few] of [
  ['small files and a large one that is merged', FOUR_FILES, 6],
  ['a large file that fills an empty table, and a small one', EMPTY_TABLE, 3],
] as const) {
  describe(`PostgreSQL fails at step 1, 2, 3 … of ${what}`, function () {
    this.timeout(DOSE_TIMEOUT_MS);
    let ground: Ground;
    let undisturbed: { report: Report; state: State };
    let messages: number;

    before(async () => {
      ground = await openGround();
      messages = Infinity;
      for (let run = 0; run < REHEARSALS; run += 1) {
        await ground.restart();
        await ground.reset(files);
        undisturbed = { report: await ingest(ground.deps), state: await ground.state() };
        messages = Math.min(messages, ground.postgres.count);
      }
    });
    after(() => ground.close());

    it('undisturbed, the files are applied and archived', () => {
      const { length } = Object.keys(files);
      const { report, state } = undisturbed;
      assert.deepEqual([report.applied, report.archived, state.archiveDebt], [length, length, 0]);
      assert.ok(messages > 50, `${messages} messages`);
    });

    for (const harm of ['cut', 'cut in the middle', 'lose the answer'] satisfies Harm[]) {
      it(`${harm}: the retry ends where an undisturbed run does`, async () => {
        for (const step of steps(`postgres, ${what}, ${harm}`, messages, few)) {
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
          // A file that is not read yet costs a message more, and may have been rehearsed so.
          const surely = messages - Object.keys(files).length;
          assert.ok(failed || step > surely, `message ${step} never came`);
          assert.deepEqual(report, undisturbed.report, `at message ${step}`);
          assertSameState(await ground.state(), undisturbed.state);
          await ground.nothingLeft();
        }
      });
    }
  });
}
