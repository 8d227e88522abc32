import assert from 'node:assert/strict';
import { sampleStream } from '../../dev/sample/stream.ts';
import { loadLarge, type LoadJob } from '../../src/activities/loadJob.ts';
import type { LoadFileResult } from '../../src/activities/interface.ts';
import { inc } from '../../src/datasets/inc.ts';
import { CopyBlock } from '../../src/rows/copyBlock.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { recordAdoption } from '../../src/postgres/adopt.ts';
import { lockDataset, recordSkip } from '../../src/postgres/skip.ts';
import { openFill } from '../../src/postgres/fill.ts';
import { fromPostgres } from '../../src/postgres/errors.ts';
import { type Ahead, beginAhead, isAheadFailure } from '../../src/postgres/writeAhead.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import type { Session } from '../../src/postgres/pool.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { until } from '../support/faults/deadline.ts';
import { type Cells, fileName, incFile, incLine } from '../support/incFile.ts';
import { expectedTable, readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

/** 5 MB: several stretches long. */
let baseline: string;

describe('a large file', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    const [file] = sampleStream({ rows: 12_000, deltas: [] });
    const chunks: Buffer[] = [];
    for await (const chunk of file?.body() ?? []) chunks.push(chunk);
    baseline = Buffer.concat(chunks).toString();
  });
  beforeEach(async () => {
    world = await openWorld();
    await noteWrites(world);
  });
  afterEach(() => world.close());

  /** Loads files one after the other. @returns what came of the last */
  async function load(...bodies: readonly string[]): Promise<LoadFileResult> {
    let result: LoadFileResult | undefined;
    for (const [n, body] of bodies.entries()) result = await world.putAndLoad(fileName(n), body);
    assert.ok(result);
    assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, named(bodies)));
    return result;
  }

  it('is copied straight into an empty table', async () => {
    const result = await load(baseline);
    assert.equal(result.outcome, 'applied');
    assert.deepEqual(await writes(world), ['copy']);
    const [row] = await world.db.query<{ same: boolean }>(
      `select min(i.loaded_at) = max(i.loaded_at) and max(i.loaded_at) between m.imported_at - interval '1 minute' and m.imported_at as same
       from tickets.inc i, tickets.import_meta m group by m.imported_at`,
    );
    assert.equal(row?.same, true);
  });

  it('that repeats a key is staged, and the last row wins', async () => {
    const again = line({ ticket_id: 'INC000004100002', priority: 'P0' });
    const result = await load(`${baseline}${again}\n`);
    assert.equal(result.outcome === 'applied' && result.counts.superseded, 1);
    assert.deepEqual(await writes(world), ['insert']);
  });

  it('is not copied straight into a table without its primary key: nobody would see a key that it repeats', async () => {
    await world.db.query('alter table tickets.inc drop constraint inc_pkey');
    const twice = incFile([{ ticket_id: 'A' }, { ticket_id: 'A' }]);
    await assert.rejects(world.putAndLoad(fileName(0), twice), {
      kind: 'PostgresRefused',
      details: { dataset: 'inc', key: inc.changesPrefix + fileName(0), code: '42P10' },
    });
    assert.deepEqual(await world.db.query('select from tickets.inc'), []);
  });

  it('is not copied straight into a table with a trigger for each new row, all of which would fire at its end', async () => {
    await world.db.query(
      `create function public.nothing() returns trigger language plpgsql as 'begin return null; end';
       create trigger each after insert on tickets.inc for each row execute function public.nothing()`,
    );
    await load(baseline);
    assert.deepEqual([...new Set(await writes(world))], ['insert']);
  });

  it('goes into a table of other types as a cast has it', async () => {
    await world.db.query(
      'alter table tickets.inc alter mttr type double precision, alter updated_at type timestamp',
    );
    await world.putAndLoad(
      fileName(0),
      incFile([{ ticket_id: 'A', mttr: '1.5', updated_at: '2026-06-22T10:00Z' }]),
    );
    assert.deepEqual(await world.db.query('select mttr::text, updated_at::text from tickets.inc'), [
      { mttr: '1.5', updated_at: '2026-06-22 13:00:00' },
    ]);
    assert.deepEqual(await writes(world), ['insert']);
  });

  it('meets rows that another writer has put there', async () => {
    await world.putAndLoad(fileName(0), incFile([{ ticket_id: 'A' }]));
    await world.db.query('delete from tickets.import_meta');
    const result = await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    assert.deepEqual(
      result.outcome === 'applied' && [result.exportType, result.counts.unchanged, result.counts.inserted],
      ['baseline', 1, 1],
    );
  });

  it('is merged while it is read: equal rows are not touched', async () => {
    await load(baseline);
    const before = await world.db.query(`select ctid::text, xmin::text from tickets.inc order by 1`);
    const result = await world.putAndLoad(fileName(1), baseline);
    assert.deepEqual(result.outcome === 'applied' && result.counts.unchanged, before.length);
    assert.deepEqual(
      await world.db.query(`select ctid::text, xmin::text from tickets.inc order by 1`),
      before,
    );
  });

  it('is merged while it is read: new and changed rows are written', async () => {
    const changed = baseline.replaceAll(',P3,', ',P2,') + `${line({ ticket_id: 'NEW' })}\n`;
    const result = await load(baseline, changed);
    assert.ok(result.outcome === 'applied');
    const { inserted, updated, unchanged } = result.counts;
    assert.equal(inserted, 1);
    assert.ok(updated > 1000 && unchanged > 1000);
  });

  it('that repeats a key is merged as a whole: of a changed row and the stored one after it, the last counts', async () => {
    const first = { ticket_id: 'A', priority: 'P1' };
    const body = baseline + `${line(first)}\n`;
    const twice = body.replace('\n', `\n${line({ ...first, priority: 'P9' })}\n`);
    const result = await load(body, twice);
    assert.ok(result.outcome === 'applied');
    assert.deepEqual([result.counts.superseded, result.counts.updated, result.counts.inserted], [1, 0, 0]);
  });

  /** Does something while a file is read for the first time. @returns how often it is read */
  function interruptReading(name: string, deed: () => Promise<unknown>): { readonly reads: number } {
    const { store } = world.deps;
    const count = { reads: 0 };
    const read: ObjectStore['read'] = async (input) => {
      const opened = await store.read(input);
      if (!input.key.endsWith(name)) return opened;
      count.reads += 1;
      return { ...opened, chunks: interrupted(opened.chunks, count.reads === 1 ? deed : undefined) };
    };
    Object.assign(world.deps, {
      store: { ...store, read, destroy: () => store.destroy(), head: store.head.bind(store) },
    });
    return count;
  }

  /** Loads a file, and does something while it is read for the first time. */
  async function loadDuring(name: string, body: string, deed: () => Promise<unknown>) {
    const loading = interruptReading(name, deed);
    const result = await world.putAndLoad(name, body);
    assert.ok(result.outcome === 'applied');
    return { reads: loading.reads, counts: result.counts };
  }

  /** Leaves a file out, as the verb does. */
  function skip(key: string, etag?: string): Promise<void> {
    const deed = { dataset: 'inc', key, etag, reason: 'r', who: 'w' };
    return world.db.transaction(async (tx) => {
      await lockDataset(tx, 'inc');
      await recordSkip(tx, deed);
    });
  }

  it('is merged anew where another file was loaded meanwhile', async () => {
    const other = incFile([{ ticket_id: 'INC000004100002', priority: 'changed meanwhile' }]);
    await load(baseline);
    const { reads, counts } = await loadDuring(fileName(2), baseline, async () =>
      world.loadSmall(await world.put(fileName(1), other)),
    );
    assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, named([baseline, other, baseline])));
    assert.deepEqual([reads, counts.updated], [2, 1]);
  });

  it('is merged anew where a file was left out meanwhile', async () => {
    await load(baseline);
    const { reads } = await loadDuring(fileName(2), baseline, () => skip(inc.changesPrefix + fileName(1)));
    assert.equal(reads, 2);
  });

  for (const [what, deed] of [
    ['it was left out', (key: string, etag: string) => skip(key, etag)],
    [
      'the watermark was set past it',
      () => recordAdoption(world.db, { dataset: inc, key: inc.changesPrefix + fileName(9), provenance: {} }),
    ],
  ] as const) {
    it(`is not applied, and nothing of it stays, where ${what} while it was read`, async () => {
      const changed = baseline.replaceAll(',P3,', ',P2,');
      await load(baseline);
      const before = await readTable(world.db, inc);
      const key = await world.put(fileName(1), changed);
      const etag = (await world.deps.store.head({ key }))?.etag ?? '';
      const loading = interruptReading(fileName(1), async () => {
        await allMerged(world);
        await deed(key, etag);
      });
      assert.deepEqual([(await world.load(key)).outcome, loading.reads], ['late', 1]);
      assert.deepEqual(await readTable(world.db, inc), before);
    });
  }

  it('is staged and merged as a whole where another writer takes a row away that is to be changed', async () => {
    const changed = baseline.replaceAll(',P3,', ',P2,');
    await load(baseline);
    let loading: Promise<{ reads: number }> | undefined;
    const other = openDatabase(parseDatabaseUrl(world.ownerUrl));
    await other.transaction(async ({ query }) => {
      await query(
        `delete from tickets.inc where source_line = (select min(source_line) from tickets.inc where priority = 'P3')`,
      );
      loading = loadDuring(fileName(1), changed, async () => undefined);
      await somebodyWaits(world);
    });
    await other.end();
    const result = await loading;
    assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, named([baseline, changed])));
    assert.equal(result?.reads, 2);
  });

  for (const mode of ['late', 'reload'] as const) {
    it(`whose rows a load (${mode}) waits for, while it waits for that load’s fence, does not hang: one of them gives way`, async () => {
      const changed = baseline.replaceAll(',P3,', ',P2,');
      await load(baseline);
      const [row] = await world.db.query<{ id: string }>(
        `select ticket_id as id from tickets.inc where priority = 'P3' order by source_line limit 1`,
      );
      const other = incFile([
        { ticket_id: row?.id ?? '', priority: 'changed', updated_at: '2040-01-01T00:00Z' },
      ]);
      const key = await world.put(fileName(1), other);
      const etag = (await world.deps.store.head({ key }))?.etag ?? '';
      const { store } = world.deps;
      const job: LoadJob = {
        dataset: inc,
        file: { key, etag, mode },
        patience: 'bounded',
        provenance: {},
        open: () => store.read({ key, etag }),
      };
      let small: Promise<unknown> | undefined;
      const large = loadDuring(fileName(2), changed, async () => {
        await allMerged(world);
        small = loadLarge(world.deps, job, undefined, []).catch((error: Error) => error);
        await somebodyWaits(world);
      }).catch((error: Error) => error);
      const outcomes = [await large, await small].filter((one) => one instanceof TidemarkFailure);
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ['PostgresBusy'],
      );
    });
  }
});

describe('small files', () => {
  it('that are refused as they are read cost no connection', async () => {
    const world = await openWorld();
    const connections = (): Promise<object[]> =>
      world.db.query(
        `select pid, backend_start::text from pg_stat_activity
         where datname = current_database() and usename = 'loader' order by pid`,
      );
    await world.loadSmall(await world.put(fileName(1), incFile([{ ticket_id: 'A' }])));
    // The load's own, and the pool's for what it remembers of a refusal.
    await world.loadSmall(await world.put(fileName(2), incFile([{ ticket_id: 'B', mttr: 'soon' }])));
    const before = await connections();
    const { failure } = await world.loadSmall(await world.put(fileName(3), 'no header\n'));
    assert.equal(failure?.kind, 'SchemaMismatch');
    assert.deepEqual(await connections(), before);
    await world.close();
  });
});

describe('rows that are written ahead of the fence', () => {
  it('are staged where they came too slowly for that', () => {
    assert.equal(isAheadFailure(fromPostgres({ code: '25P03' })), true);
    assert.equal(isAheadFailure(fromPostgres({ code: '57P01' })), false);
  });

  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  const begin = (session: Session) => beginAhead(session, inc, 300);
  const beginFill = async (session: Session) => {
    await begin(session);
    return openFill(session, inc, 'key');
  };

  it('take as long as the file does, whatever limit the database gives its transactions', async () => {
    const known = await world.db.query(`select from pg_settings where name = 'transaction_timeout'`);
    // Of PostgreSQL 17.
    if (known.length > 0)
      await world.shared.admin.unsafe(`alter database ${world.name} set transaction_timeout = '1s'`);
    const [session] = await world.deps.pool.withSession(undefined, ({ query }) =>
      query(`select coalesce(current_setting('transaction_timeout', true), '0') as limit`),
    );
    assert.deepEqual(session, { limit: '0' });
  });

  for (const where of ['in a COPY', 'between two stretches'] as const) {
    it(`and go no further (${where}) are ended by the one that waits for them`, async () => {
      await world.deps.pool
        .withSession(undefined, async (frozen) => {
          if (where === 'in a COPY') assert.ok(await beginFill(frozen));
          else await begin(frozen);
          frozen.client.on('error', () => undefined);
          await assert.rejects(world.deps.pool.withSession(undefined, begin), { kind: 'PostgresBusy' });
          await world.deps.pool.withSession(undefined, begin);
          throw new Stop();
        })
        .catch(unlessStopped);
    });

    it(`and go on (${where}) are left alone`, async () => {
      await world.deps.pool
        .withSession(undefined, async (other) => {
          const stop =
            where === 'in a COPY' ? fillOn(await beginFill(other)) : askOn(other, await begin(other));
          await assert.rejects(world.deps.pool.withSession(undefined, begin), { kind: 'PostgresBusy' });
          stop();
          const [alive] = await world.db.query<{ count: number }>(
            `select count(*)::int as count from pg_locks where locktype = 'advisory'
               and database = (select oid from pg_database where datname = current_database())`,
          );
          assert.equal(alive?.count, 1);
          throw new Stop();
        })
        .catch(unlessStopped);
    });
  }
});

/** Writes row after row. @returns what ends it */
function fillOn(fill: Ahead | undefined): () => void {
  assert.ok(fill);
  const block = new CopyBlock(fill, 28, fill.rowEnd);
  const key = Buffer.from('A');
  const going = setInterval(() => {
    block.beginRow(key);
    block.text(key, 0, key.length);
    for (let column = 1; column < 28; column += 1) block.null();
    block.endRow(2);
    void block.flush();
  }, 20);
  return () => clearInterval(going);
}

/** Asks for something again and again. @returns what ends it */
function askOn(session: Session, _begun: void): () => void {
  const going = setInterval(() => void session.query('select'), 20);
  return () => clearInterval(going);
}

/** Ends a session for good. */
class Stop extends Error {}

function unlessStopped(error: unknown): void {
  if (!(error instanceof Stop)) throw error;
}

/** A line in the baseline's order of columns. */
function line(cells: Cells): string {
  return incLine(cells, baseline.slice(0, baseline.indexOf('\n')).split(','));
}

function named(bodies: readonly string[]): { key: string; body: string }[] {
  return bodies.map((body, n) => ({ key: inc.changesPrefix + fileName(n), body }));
}

/** Notes by which statements the table is written. */
async function noteWrites({ db }: World): Promise<void> {
  await db.query(`create table public.writes (word text)`);
  await db.query(`grant insert on public.writes to public`);
  await db.query(
    `create function public.note_write() returns trigger language plpgsql as $$
     begin insert into public.writes select case when current_query() ~* '^\\s*copy' then 'copy' else 'insert' end; return null; end $$`,
  );
  await db.query(
    `create trigger note after insert on tickets.inc for each statement execute function public.note_write()`,
  );
}

async function writes({ db }: World): Promise<string[]> {
  return (await db.query<{ word: string }>('select word from public.writes')).map(({ word }) => word);
}

/** Resolves when one waits for another's lock. */
async function somebodyWaits({ shared: { admin }, name }: World): Promise<void> {
  const waits = `select from pg_stat_activity where datname = '${name}' and wait_event_type = 'Lock'`;
  await until('somebody waits', async () => (await admin.unsafe(waits)).length > 0);
}

/** Resolves when PostgreSQL has dealt with all rows that it was given so far. */
async function allMerged({ shared: { admin }, name }: World): Promise<void> {
  const busy = `select from pg_stat_activity
    where datname = '${name}' and usename = 'loader' and state = 'active' and wait_event is distinct from 'ClientRead'`;
  await until('all is dealt with', async () => (await admin.unsafe(busy)).length === 0, 60_000);
}

/** The chunks, with a deed behind all of them but the last few. */
async function* interrupted(
  chunks: AsyncIterable<Buffer>,
  deed?: () => Promise<unknown>,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let done = deed === undefined;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    if (done || bytes < 4.2e6) continue;
    done = true;
    await deed?.();
  }
}
