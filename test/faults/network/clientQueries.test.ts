import assert from 'node:assert/strict';
import { parseDatabaseUrl } from '../../../src/postgres/address.ts';
import { TidemarkFailure } from '../../../src/domain/failures.ts';
import { openDatabase, type Database } from '../../../src/postgres/database.ts';
import { within } from '../../support/faults/deadline.ts';
import { DOSE_TIMEOUT_MS, steps } from '../../support/faults/dose.ts';
import { openGround, type Ground } from '../../support/faults/ground.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';

const HARMS: readonly Harm[] = ['cut', 'cut in the middle', 'lose the answer', 'stall'];

/** How many of the messages the bounded form tries. */
const FEW = 7;

describe('PostgreSQL fails under a verb of the client', function () {
  this.timeout(DOSE_TIMEOUT_MS);
  let ground: Ground;
  let db: Database;
  before(async () => {
    ground = await openGround();
    await ground.db.query(`create table public.deeds (n int)`);
  });
  after(() => ground.close());
  afterEach(() => ground.postgres.heal());

  const deeds: Readonly<Record<string, () => Promise<unknown>>> = {
    'a query': () => db.query(`select $1::int as one`, [1]),
    'a transaction': () =>
      db.transaction(async (tx) => {
        await tx.query(`set local lock_timeout = '10s'`);
        await tx.query(`insert into public.deeds values ($1)`, [1]);
        await tx.query(`select from public.deeds`);
      }),
  };

  for (const [name, deed] of Object.entries(deeds)) {
    for (const harm of HARMS) {
      it(`${name}, ${harm} at message 1, 2, 3 …: fails in time with a failure of ours, all or nothing`, async () => {
        db = openDatabase(parseDatabaseUrl(ground.proxiedUrl));
        ground.postgres.count = 0;
        await deed();
        const messages = ground.postgres.count;
        await db.end();
        for (const step of steps(`client ${name} ${harm}`, messages, harm === 'stall' ? 2 : FEW)) {
          await ground.db.query(`truncate public.deeds`);
          db = openDatabase(parseDatabaseUrl(ground.proxiedUrl), 1_000);
          ground.postgres.count = 0;
          let hit = false;
          ground.postgres.rule = ({ n }) => {
            hit ||= n === step;
            return n === step ? harm : 'none';
          };
          const kind = await within(
            15_000,
            `message ${step}`,
            deed().then(() => 'done', kindOf),
          );
          // The farewell, after the answer, is the last message.
          if (kind !== 'done') assert.match(kind, /^(PostgresUnavailable|Stalled)$/, `at message ${step}`);
          else assert.ok(!hit || step === messages, `message ${step} of ${messages} did no harm`);
          await within(8_000, 'the end', db.end());
          // postgres.js closes its half of a silent connection and keeps the other; the process of a verb ends then.
          ground.postgres.heal();
          await ground.nothingLeft();
          const [row] = await ground.db.query<{ count: number }>(
            `select count(*)::int as count from public.deeds`,
          );
          assert.ok(row?.count === 0 || row?.count === 1);
          if (kind === 'done' && name === 'a transaction') assert.equal(row.count, 1);
        }
      });
    }
  }

  it('refuses connections: fails in time', async () => {
    await ground.postgres.refuse();
    db = openDatabase(parseDatabaseUrl(ground.proxiedUrl), 1_000);
    await assert.rejects(within(15_000, 'the query', db.query(`select 1`)), { kind: 'PostgresUnavailable' });
    await within(8_000, 'the end', db.end());
    await ground.postgres.admit();
  });
});

function kindOf(error: unknown): string {
  return error instanceof TidemarkFailure ? error.kind : String(error);
}
