import assert from 'node:assert/strict';
import type { TidemarkFailure } from '../../../src/domain/failures.ts';
import { until, within } from '../../support/faults/deadline.ts';
import { LONG } from '../../support/faults/dose.ts';
import { FOUR_FILES } from '../../support/faults/files.ts';
import { ALL_PLACES, at, endSessions } from '../../support/faults/places.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';
import { rehearsed } from '../../support/faults/rehearsed.ts';
import { shared } from '../../support/shared.ts';

/**
 * With the short limits of these tests silence is noticed in three looks of up to two seconds; the long form parts the
 * network for the server too, whose own limits are not shortened: 30 s for an idle transaction.
 */
const NOTICED_MS = LONG ? 60_000 : 15_000;

describe('PostgreSQL fails in a load', function () {
  this.timeout(2 * NOTICED_MS + 30_000);
  const suite = rehearsed(FOUR_FILES, NOTICED_MS);

  for (const place of ALL_PLACES) {
    it(`silent from ${place} on, without a close: given up in time, and tried again`, async () => {
      const harm = at(place, (): Harm => 'stall');
      suite.ground.postgres.rule = harm.rule;
      suite.ground.postgres.parted = LONG;
      await suite.survives();
      assert.equal(harm.hits(), 1);
    });
  }

  it('silent from the merge of a large file on: looked at from outside, and tried again', async () => {
    const harm = at('the merge', (hit): Harm => (hit === 2 ? 'stall' : 'none'), 2);
    suite.ground.postgres.rule = harm.rule;
    const failures = await suite.survives();
    assert.deepEqual(
      failures.map(({ kind, what }) => [kind, what]),
      [['Stalled', 'PostgreSQL is silent, or its answer was lost']],
    );
  });

  for (const place of ALL_PLACES.filter((_place, i) => LONG || i % 2 === 0)) {
    it(`pg_terminate_backend of all sessions at ${place}`, async () => {
      const harm = at(place, endSessions(suite.ground.db));
      suite.ground.postgres.rule = harm.rule;
      await suite.survives();
      assert.equal(harm.hits(), 1);
    });
  }

  for (const [name, timing, few, more] of [
    [
      'before the rows are written',
      'before insert on tickets.inc for each row',
      ['40001', '55P03'],
      ['53100', '57014', '40P01', '53200', '25006', 'XX000'],
    ],
    [
      'at the commit',
      'after insert on tickets.inc deferrable initially deferred for each row',
      ['40P01', '25006'],
      ['53200', 'XX000', '40001', '55P03', '53100', '57014'],
    ],
  ] as const) {
    for (const code of LONG ? [...few, ...more] : few) {
      it(`${code} raised ${name}, three times`, async () => {
        await raising(code, timing);
        const failures = await suite.survives();
        assert.deepEqual(codes(failures), [code]);
      });
    }
  }

  /** A trigger that fails three times: a sequence does not roll back. */
  async function raising(code: string, timing: string): Promise<void> {
    await suite.ground.db.query(`create sequence public.raised`);
    await suite.ground.db.query(
      `create function public.raises() returns trigger language plpgsql as $$ begin
         if nextval('public.raised') <= 3 then raise exception 'hushhush' using errcode = '${code}'; end if;
         return new;
       end $$`,
    );
    const constraint = timing.includes('deferrable') ? 'constraint' : '';
    await suite.ground.db.query(
      `create ${constraint} trigger raises ${timing} execute function public.raises()`,
    );
  }
  afterEach(async () => {
    await suite.ground.db.query(`drop function if exists public.raises() cascade`);
    await suite.ground.db.query(`drop sequence if exists public.raised`);
  });

  /** Survives a fault that is lifted when a load has failed four times. */
  async function survivesFour(lift: () => Promise<unknown>): Promise<readonly TidemarkFailure[]> {
    let lifted: Promise<unknown> | undefined;
    const failures = await suite.survives((count) => {
      if (count === 4) lifted = lift();
    });
    assert.ok(lifted);
    await lifted;
    return failures;
  }

  it('out of connections: says so, and goes on when there are some', async () => {
    await suite.ground.db.query(`alter database ${suite.ground.name} connection limit 0`);
    const failures = await survivesFour(() =>
      suite.ground.db.query(`alter database ${suite.ground.name} connection limit -1`),
    );
    assert.deepEqual(codes(failures), ['53300']);
    assert.match(failures[0]?.message ?? '', /has no connection left/);
  });

  it('gone read-only: says so, and goes on when it is not', async () => {
    await suite.ground.db.query(`alter database ${suite.ground.name} set default_transaction_read_only = on`);
    const failures = await survivesFour(() =>
      suite.ground.db.query(`alter database ${suite.ground.name} reset default_transaction_read_only`),
    );
    assert.deepEqual(codes(failures), ['25006']);
    assert.match(failures[0]?.message ?? '', /is read-only here/);
  });

  it('gone read-only between the lock and the commit', async () => {
    const harm = at('the merge', async (): Promise<Harm> => {
      // A session that is in a transaction is made so by force, as a fail-over does.
      await suite.ground.db.query(
        `alter database ${suite.ground.name} set default_transaction_read_only = on`,
      );
      await suite.ground.db.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
      setTimeout(() => {
        void suite.ground.db.query(`alter database ${suite.ground.name} reset default_transaction_read_only`);
      }, 500);
      return 'none';
    });
    suite.ground.postgres.rule = harm.rule;
    const failures = await suite.survives();
    assert.ok(failures.some(({ details }) => details.code === '25006'));
  });

  it('refuses connections four times', async () => {
    await suite.ground.postgres.refuse();
    await survivesFour(() => suite.ground.postgres.admit());
  });

  it('a deadlock that the load loses', async () => {
    const { admin } = await shared();
    // The load's session looks for deadlocks first, and so loses.
    await admin.unsafe(`alter database ${suite.ground.name} set deadlock_timeout = '600ms'`);
    // A table of other types is not filled, but merged into.
    await suite.ground.db.query('alter table tickets.inc alter title type varchar');
    const put = (ticket: string): string =>
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('${ticket}', 'x', 1, now())`;
    const other = suite.ground.db.transaction(async (tx) => {
      await tx.query(put('T3'));
      await new Promise<void>((resolve) => {
        // The first merge is of the try that waits 10 ms for a lock; the second waits.
        const reach = (hit: number): Harm => {
          if (hit === 2) resolve();
          return 'none';
        };
        suite.ground.postgres.rule = at('the merge', reach, 2).rule;
      });
      const waits = `select from pg_stat_activity where datname = '${suite.ground.name}' and wait_event_type = 'Lock'`;
      await until('the load waits', async () => (await admin.unsafe(waits)).length > 0);
      // Written ahead of the fence, and so locked.
      await tx.query(put('T1'));
      throw new Error('leaves nothing behind');
    });
    const [failures] = await Promise.all([suite.survives(), assert.rejects(other, /leaves nothing behind/)]);
    await admin.unsafe(`alter database ${suite.ground.name} reset deadlock_timeout`);
    assert.deepEqual(codes(failures), ['40P01']);
  });

  it('a lock on the table held by another session: waited for, and nothing given up', async () => {
    const held = suite.ground.db.transaction(async (tx) => {
      await tx.query(`lock table tickets.inc in access exclusive mode`);
      await tx.query(`select pg_sleep(1)`);
    });
    await suite.survives();
    await held;
  });

  it('a pool whose server is silent ends in time, and so can the worker', async () => {
    await suite.ground.deps.pool.query('select 1');
    suite.ground.postgres.stallAll();
    await assert.rejects(within(NOTICED_MS, 'the query', suite.ground.deps.pool.query('select 1')), {
      kind: 'Stalled',
    });
    const busy = suite.ground.deps.pool.query('select 1');
    suite.ground.postgres.stallAll();
    await Promise.all([
      within(8_000, 'the end of the pool', suite.ground.restart()),
      busy.catch(() => undefined),
    ]);
  });
});

function codes(failures: readonly TidemarkFailure[]): string[] {
  return [...new Set(failures.flatMap(({ details }) => details.code ?? []))];
}
