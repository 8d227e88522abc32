import assert from 'node:assert/strict';
import { until } from '../../support/faults/deadline.ts';
import { DOSE_TIMEOUT_MS, steps } from '../../support/faults/dose.ts';
import { openGround, type Files, type Ground } from '../../support/faults/ground.ts';
import { ingest } from '../../support/faults/ingest.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';
import { fileName, incFile, type Cells } from '../../support/incFile.ts';

/** How many of the messages the bounded form tries, for each harm. */
const FEW = 4;
/** Above what is loaded in a batch. */
const LARGE_ROWS = 1_500;

const good = (n: number): Cells => ({ ticket_id: `T${n}`, title: 'x'.repeat(300) });
const BAD: Cells = { ticket_id: 'B', mttr: 'no number' };

function filesWith(second: readonly Cells[]): Files {
  return {
    [fileName(1)]: incFile([good(1), good(2)]),
    [fileName(2)]: incFile(second),
    [fileName(3)]: incFile([good(1)]),
  };
}

const MANY = Array.from({ length: LARGE_ROWS }, (_unused, n) => good(n));

/** What a refusal leaves; how often it was met is not the same under faults. */
interface Refusal {
  readonly failures: readonly object[];
  readonly rejects: readonly object[];
  readonly table: readonly string[];
  readonly ledger: readonly object[];
}

for (const [size, refused, mended] of [
  ['small', filesWith([good(3), BAD, BAD]), filesWith([good(3)])],
  ['large', filesWith([...MANY, BAD, BAD]), filesWith(MANY)],
] as const) {
  describe(`PostgreSQL fails while a ${size} file is refused`, function () {
    this.timeout(DOSE_TIMEOUT_MS);
    let ground: Ground;
    let undisturbed: Refusal;
    let messages: number;

    before(async () => {
      ground = await openGround();
      await ground.reset(refused);
      await ground.restart();
      await stops();
      undisturbed = await refusal();
      messages = ground.postgres.count;
      assert.deepEqual([undisturbed.failures.length, undisturbed.rejects.length], [1, 2]);
    });
    after(() => ground.close());

    const stops = (): Promise<void> => assert.rejects(ingest(ground.deps), /2 rows rejected/);

    async function refusal(): Promise<Refusal> {
      const { table } = await ground.state();
      return {
        failures: await ground.db.query(
          `select source_key, kind, line, column_name, rejected, message, resolved_at from tickets.import_failures`,
        ),
        rejects: await ground.db.query(
          `select source_key, line, column_name, reason, row_text from tickets.import_rejects order by line`,
        ),
        table,
        // The file before it is archived beside the load, or by the next run.
        ledger: await ground.db.query(`select source_key, export_type, rows_read from tickets.import_meta`),
      };
    }

    for (const harm of ['cut', 'lose the answer'] satisfies Harm[]) {
      it(`${harm} at message 1, 2, 3 …: it is remembered once, with its rows; mended, it is loaded`, async () => {
        for (const step of steps(`refusal of a ${size} file, ${harm}`, messages, FEW)) {
          await ground.restart();
          await ground.reset(refused);
          let hit = false;
          ground.postgres.rule = ({ n }) => {
            hit ||= n === step;
            return n === step ? harm : 'none';
          };
          await stops();
          // The last one is the farewell, which nobody waits for.
          await until(`message ${step} of ${messages} comes`, () => hit);
          assert.deepEqual(await refusal(), undisturbed, `at message ${step} of ${messages}`);
          await ground.nothingLeft();
        }
        for (const [file, body] of Object.entries(mended)) await ground.put(file, body);
        assert.equal((await ingest(ground.deps)).applied, 2);
        const { table, openFailures } = await ground.state();
        await ground.reset(mended);
        await ingest(ground.deps);
        assert.deepEqual([table, openFailures], [(await ground.state()).table, []]);
      });
    }
  });
}
