/** Holds a load at a chosen step of its transaction, from PostgreSQL's side: by triggers that wait for a lock of the test's. */

import { Client } from 'pg';
import { until } from './bounds.ts';

/** The advisory lock that a held load waits for. */
const LOCK = 7_001;
const REACH_MS = 120_000;

/**
 * Where a load is held: waiting for the dataset's row; writing its first row into the table; with its ledger row written and not committed; in its COMMIT; or
 * a move of which all is done but the note in the ledger.
 */
export type Step = 'lock' | 'row' | 'ledger' | 'commit' | 'note';

const TRIGGERS: Readonly<Record<Exclude<Step, 'lock'>, string>> = {
  row: 'create trigger held before insert or update on tickets.inc for each row',
  ledger: 'create trigger held after insert on tickets.import_meta for each row',
  commit:
    'create constraint trigger held after insert on tickets.import_meta deferrable initially deferred for each row',
  note: 'create trigger held before update of archived_at on tickets.import_meta for each row',
};

/** A load that is held, or will be. */
export interface HeldLoad {
  /** Resolves with the process id of the backend that waits. */
  reached(): Promise<number>;
  /** Lets it go on, and later ones pass. */
  release(): Promise<void>;
}

/**
 * Holds loads at a step, as superuser.
 *
 * @param input.key only the file whose key ends so; the step `lock` holds any
 */
export async function holdLoads(input: {
  readonly databaseUrl: string;
  readonly step: Step;
  readonly key: string;
}): Promise<HeldLoad> {
  const client = new Client({ connectionString: input.databaseUrl });
  await client.connect();
  if (input.step === 'lock') {
    await client.query(`begin; select from tickets.dataset_state for update`);
  } else {
    await client.query(`select pg_advisory_lock(${LOCK})`);
    // Without its own lock timeout the load would give up here.
    await client.query(`
      create or replace function public.hold() returns trigger language plpgsql set lock_timeout = 0 as $$
      begin
        perform pg_advisory_xact_lock_shared(${LOCK});
        return new;
      end $$;
      ${TRIGGERS[input.step]} when (new.source_key like '%${input.key}') execute function public.hold()`);
  }
  const waiting = input.step === 'lock' ? 'transactionid' : 'advisory';
  return {
    async reached() {
      let pid = 0;
      await until(REACH_MS, `a load waits at the step ${input.step}`, async () => {
        // A transaction that has once looked at pg_stat_activity goes on seeing the sessions of that moment.
        await client.query('select pg_stat_clear_snapshot()');
        const { rows } = await client.query<{ pid: number }>(
          `select pid from pg_locks where locktype = '${waiting}' and not granted
             and pid in (select pid from pg_stat_activity where datname = current_database())`,
        );
        pid = rows[0]?.pid ?? 0;
        return pid > 0;
      });
      return pid;
    },
    release: () => client.end(),
  };
}
