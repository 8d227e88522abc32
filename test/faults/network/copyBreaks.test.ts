import assert from 'node:assert/strict';
import { loadFile } from '../../../src/activities/loadFile.ts';
import { inc } from '../../../src/datasets/inc.ts';
import { TidemarkFailure } from '../../../src/domain/failures.ts';
import type { ObjectStore } from '../../../src/s3/objectStore.ts';
import { until } from '../../support/faults/deadline.ts';
import { fileName, incFile } from '../../support/incFile.ts';
import { openWorld, type World } from '../../support/world.ts';

const KEY = inc.changesPrefix + fileName(1);
const CHUNK = 64 * 1024;

/** As many bytes as a row may have, so that a file of some rows is longer than what may be on its way. */
const title = 'x'.repeat(900);

describe('a COPY that PostgreSQL breaks off', function () {
  this.timeout(30_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  /** Loads a body. @param before awaited before each chunk @returns the outcome, or the failure */
  async function load(
    body: Buffer,
    { before, mode = 'inOrder' }: { before?: (at: number) => Promise<void>; mode?: 'inOrder' | 'late' } = {},
  ): Promise<string | TidemarkFailure> {
    async function* chunks(): AsyncGenerator<Buffer> {
      for (let at = 0; at < body.length; at += CHUNK) {
        await before?.(at);
        yield body.subarray(at, at + CHUNK);
      }
    }
    const read: ObjectStore['read'] = async ({ etag }) => ({ size: body.length, etag, chunks: chunks() });
    const deps = { ...world.deps, store: { ...world.deps.store, read } };
    const watch = { signal: new AbortController().signal, provenance: {} };
    try {
      return (await loadFile(deps, { dataset: 'inc', key: KEY, etag: 'e', mode }, watch)).outcome;
    } catch (error) {
      if (!(error instanceof TidemarkFailure)) throw error;
      return error;
    }
  }

  /** What is in the table and in the ledger. */
  async function left(): Promise<object | undefined> {
    const [row] = await world.db.query<object>(
      `select (select coalesce(jsonb_agg(ticket_id), '[]') from tickets.inc) as tickets,
         (select count(*)::int from tickets.import_meta) as deeds`,
    );
    return row;
  }

  it('while blocks wait to be sent: an empty table’s file that repeats a key is staged, and the process lives', async () => {
    const rows = Array.from({ length: 40_000 }, (_, n) => ({ ticket_id: `T${n === 20_000 ? 1 : n}`, title }));
    const outcome = await load(Buffer.from(incFile(rows)));
    assert.equal(outcome, 'applied');
    assert.deepEqual(
      (await world.ledger()).map(({ inserted, superseded }) => [inserted, superseded]),
      [[39_999, 1]],
    );
    // Of the two rows of T1 the last one, from the file's middle; of all others their own.
    const [table] = await world.db.query<object>(
      `select count(*)::int as rows, count(distinct ticket_id)::int as tickets,
         count(*) filter (where title <> $1 or source_key <> $2
           or source_line <> case ticket_id when 'T1' then 20002 else substr(ticket_id, 2)::int + 2 end)::int as odd
       from tickets.inc`,
      [title, KEY],
    );
    assert.deepEqual(table, { rows: 39_999, tickets: 39_999, odd: 0 });
  });

  it('while blocks wait to be sent: says why', async () => {
    await world.db.query(
      `create function public.raises() returns trigger language plpgsql as $$ begin
         if new.ticket_id = 'T2000' then perform pg_sleep(0.5); raise exception 'x' using errcode = '53100'; end if;
         return new;
       end $$`,
    );
    await world.db.query(
      `create trigger raises before insert on tickets.inc for each row execute function public.raises()`,
    );
    const rows = Array.from({ length: 40_000 }, (_, n) => ({ ticket_id: `T${n}`, title }));
    const failure = await load(Buffer.from(incFile(rows)));
    assert.ok(failure instanceof TidemarkFailure);
    assert.deepEqual([failure.kind, failure.details.code], ['PostgresUnavailable', '53100']);
    assert.deepEqual(await left(), { tickets: [], deeds: 0 });
  });

  for (const way of ['fill', 'merge', 'stage'] as const) {
    for (const [how, code] of [
      ['pg_terminate_backend', '57P01'],
      ['pg_cancel_backend', '57014'],
    ] as const) {
      // Between two stretches a session is idle, and there is nothing to cancel.
      if (way === 'merge' && how === 'pg_cancel_backend') continue;
      it(`by ${how} while S3 is awaited (${way}): says so, to be tried again`, async () => {
        if (way !== 'fill') {
          await world.db.query(
            `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('X', 'x', 1, now())`,
          );
        }
        const rows = Array.from({ length: 3_000 }, (_, n) => ({ ticket_id: `T${n}`, title }));
        const before = async (at: number): Promise<void> => {
          if (at === 20 * CHUNK) await endCopy(world, how);
        };
        const failure = await load(Buffer.from(incFile(rows)), {
          before,
          mode: way === 'stage' ? 'late' : 'inOrder',
        });
        assert.ok(failure instanceof TidemarkFailure, `it is ${String(failure)}`);
        assert.equal(failure.kind, 'PostgresUnavailable');
        // A write may meet the closed socket before what the server said is read.
        assert.ok([code, 'EPIPE', 'ECONNRESET'].includes(String(failure.details.code)), String(failure));
        assert.deepEqual(await left(), { tickets: way === 'fill' ? [] : ['X'], deeds: 0 });
      });
    }
  }
});

/** Waits until a load's session has dealt with all that it was given, and ends it or its statement. */
async function endCopy({ shared: { admin }, name }: World, how: string): Promise<void> {
  const sessions = `pg_stat_activity where datname = '${name}' and usename = 'loader' and wait_event = 'ClientRead'`;
  let pid: number | undefined;
  await until('a load has dealt with all that it was given', async () => {
    const [found] = await admin.unsafe<{ pid: number }[]>(
      `select pid from ${sessions} and (state = 'active' or query ~ 'looked')`,
    );
    pid = found?.pid;
    return pid !== undefined;
  });
  await admin.unsafe(`select ${how}(${pid})`);
  // A cancelled COPY hears of it with the next bytes only.
  if (how === 'pg_cancel_backend') return;
  const ended = `select from ${sessions} and pid = ${pid}`;
  await until('its session has ended', async () => (await admin.unsafe(ended)).length === 0);
}
