import assert from 'node:assert/strict';
import type { IngestResult } from '../../../src/workflows/run.ts';
import { FOUR_FILES } from '../../support/faults/files.ts';
import {
  assertSameState,
  openGround,
  type Files,
  type Ground,
  type State,
} from '../../support/faults/ground.ts';
import { ingest } from '../../support/faults/ingest.ts';
import { at, type Place } from '../../support/faults/places.ts';
import type { S3Harm } from '../../support/faults/s3Proxy.ts';
import { fileName, incFile } from '../../support/incFile.ts';

const SMALL_FILES: Files = Object.fromEntries(
  [1, 2, 3, 4, 5, 6].map((n) => [
    fileName(n),
    incFile([{ ticket_id: 'A', priority: `${n}` }, { ticket_id: `T${n}` }]),
  ]),
);

describe('the answer to a commit is lost, in a run of the real workflow', function () {
  this.timeout(120_000);
  let ground: Ground;
  before(async () => {
    ground = await openGround();
  });
  after(() => ground.close());

  for (const [name, files] of [
    ['a large file among small ones', FOUR_FILES],
    ['small files', SMALL_FILES],
  ] as const) {
    describe(name, () => {
      let undisturbed: { result: IngestResult; state: State };
      before(async () => {
        await ground.restart();
        await ground.reset(files);
        undisturbed = { result: await ground.runWorkflow(), state: await ground.state() };
        assert.equal(undisturbed.result.applied, Object.keys(files).length);
      });

      for (const [what, place, harm] of [
        ['of each', 'the commit', 'lose the answer'],
        ['of each note of an archive', 'the note of the archive', 'lose the answer'],
      ] satisfies [string, Place, 'lose the answer'][]) {
        it(`${what}: the run reports what an undisturbed one does, and so do table, ledger and bucket`, async () => {
          await ground.restart();
          await ground.reset(files);
          const each = at(place, () => harm, place === 'the commit' ? 100 : 2);
          ground.postgres.rule = each.rule;
          const result = await ground.runWorkflow();
          assert.ok(
            each.hits() >= (place === 'the commit' ? Object.keys(files).length : 1),
            `${each.hits()} hits`,
          );
          assert.deepEqual(result, undisturbed.result);
          assertSameState(await ground.state(), undisturbed.state);
          await ground.nothingLeft();
        });
      }
    });
  }

  it('of another run’s load: this run reports it as that one’s, with the watermark', async () => {
    await ground.restart();
    await ground.reset(SMALL_FILES);
    await ingest(ground.deps);
    const undisturbed = await ground.state();
    await ground.reset();
    let overtaken = false;
    // Another run loads all of it while this one is about to read its first object.
    ground.s3.rule = async ({ method, key }): Promise<S3Harm> => {
      if (method === 'GET' && key.endsWith('.csv') && !overtaken) {
        overtaken = true;
        await ingest(ground.deps);
      }
      return 'none';
    };
    const result = await ground.runWorkflow();
    assert.deepEqual([overtaken, result.applied, result.rows.read], [true, 0, 0]);
    assert.equal(result.watermark, `automations/inc/changes/${fileName(6)}`);
    assertSameState(await ground.state(), undisturbed);
    await ground.nothingLeft();
  });
});
