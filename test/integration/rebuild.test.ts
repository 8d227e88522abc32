import assert from 'node:assert/strict';
import type { WorkflowFailedError } from '@temporalio/client';
import { inc } from '../../src/datasets/inc.ts';
import { attemptsOf } from '../support/attempts.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { onTerminal } from '../support/onTerminal.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const archived = (n: number): string => inc.processedPrefix + fileName(n);
const at = (day: number, priority: string): Cells => ({ updated_at: `2026-02-0${day} 10:00:00`, priority });

const WHY = ['--reason', 'looks wrong', '--yes', '--wait'];

interface Report {
  readonly outcome: string;
  readonly files: number;
  readonly from: string;
  readonly inserted: number;
  readonly updated: number;
  readonly removed: number;
  readonly table: string;
  readonly rows: number;
  readonly difference: { built: number; missing: number; different: number; extra: number; columns: object };
  readonly found: { finding: string; key: string; line: number; ticket?: string }[];
}

describe('tidemark rebuild', function () {
  this.timeout(180_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld([{ ...inc, latePolicy: 'apply' }]);
  });
  afterEach(() => world.close());

  async function rebuild(...args: string[]): Promise<Report & Printed> {
    const printed = await world.client('rebuild', 'inc', '--json', ...args);
    return { ...(JSON.parse(printed.stdout || '{}') as Report), ...printed };
  }

  /** A baseline of four tickets, two deltas and a late file, applied and archived. */
  async function load(): Promise<void> {
    const base = ['A', 'B', 'C', 'D'].map((ticket_id) => ({ ticket_id, ...at(1, 'P1') }));
    await world.put(fileName(1), incFile(base));
    await world.put(fileName(3), incFile([{ ticket_id: 'A', ...at(3, 'P2') }, { ticket_id: 'E' }]));
    await world.put(fileName(4), incFile([{ ticket_id: 'B', ...at(4, 'P3') }]));
    await world.run();
    await world.put(fileName(2), incFile([{ ticket_id: 'C', ...at(2, 'P4') }]));
    await world.run();
  }

  /** What somebody did to the table by hand: one row edited, one gone, one too many. */
  async function spoil(): Promise<void> {
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'A'`);
    await world.db.query(`delete from tickets.inc where ticket_id = 'B'`);
    await world.db.query(
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('Z', $1, 7, now())`,
      [full(3)],
    );
  }

  it('mends what differs, leaves what no file leads to, and the ledger says who and why', async () => {
    await load();
    const good = await readTable(world.db, inc);
    const legacy = await world.put(`${inc.processedPrefix}inc_snapshot.csv`, incFile([{ ticket_id: 'L' }]));
    await spoil();
    await world.rebuildWork();
    const done = await rebuild(...WHY);
    assert.deepEqual([done.status, done.stderr, done.outcome, done.files], [0, '', 'applied', 4]);
    assert.deepEqual([done.inserted, done.updated, done.removed], [1, 1, 0]);
    const { built, missing, different, extra, columns } = done.difference;
    assert.deepEqual([built, missing, different, extra], [5, 1, 1, 1]);
    assert.deepEqual(columns, { priority: 1 });
    assert.deepEqual(
      done.found.map(({ finding, key, line }) => [finding, key, line]),
      [
        ['different', full(3), 2],
        ['extra', full(3), 7],
        ['missing', full(4), 2],
      ],
    );
    const mended = new Map(await readTable(world.db, inc));
    assert.ok(mended.delete('Z'));
    assert.deepEqual(mended, good);
    const deed = (await world.ledger()).at(-1);
    assert.deepEqual(
      [deed?.type, deed?.key, deed?.read, deed?.inserted, deed?.updated],
      ['rebuilt', full(1), 5, 1, 1],
    );
    const { reason, who, rows_left: left } = deed?.metadata ?? {};
    assert.deepEqual([reason, typeof who, left], ['looks wrong', 'string', 1]);
    const [status] = await world.db.query(
      `select rows::int as rows from tickets.dataset_status where dataset = 'inc'`,
    );
    assert.deepEqual(status, { rows: 6 });
    assert.deepEqual(await world.db.query(`select from pg_tables where schemaname = 'tickets_rebuild'`), []);
    const removed = await rebuild(...WHY, '--remove', '--values');
    assert.deepEqual([removed.inserted, removed.updated, removed.removed], [0, 0, 1]);
    assert.deepEqual(
      removed.found.map(({ ticket }) => ticket),
      ['Z'],
    );
    assert.deepEqual(await readTable(world.db, inc), good);
    assert.ok((await world.keys(inc.processedPrefix)).includes(legacy));
    const findings = (): Promise<readonly object[]> =>
      world.db.query(`select rebuild::int, count(*)::int from tickets.rebuild_rows group by 1 order by 1`);
    const kept = await findings();
    assert.equal(kept.length, 2);
    await world.db.query(
      `update tickets.rebuilds set ended_at = ended_at - interval '91 days'
       where id = (select min(id) from tickets.rebuilds)`,
    );
    await rebuild(...WHY);
    assert.deepEqual(await findings(), kept.slice(1));
  });

  it('takes in a source that was seeded again: flagged when loaded, what is gone shown, and removed only when asked', async () => {
    const rows = Array.from({ length: 120 }, (_unused, n) => ({ ticket_id: `T${n}`, priority: 'P1' }));
    await world.put(fileName(1), incFile(rows));
    await world.put(fileName(2), incFile(rows.slice(0, 90)));
    await world.put(
      fileName(3),
      incFile([...rows.slice(0, 9), ...rows.slice(20)].map((row) => ({ ...row, title: 'again' }))),
    );
    await world.put(fileName(4), incFile([{ ticket_id: 'T119', priority: 'P2' }]));
    await world.run();
    const flagged = async (): Promise<unknown> =>
      world.db.query(
        `select looks_like_baseline as key, rows::int as rows from tickets.dataset_status where dataset = 'inc'`,
      );
    assert.deepEqual(await flagged(), [{ key: full(3), rows: 120 }]);
    assert.deepEqual(
      (await world.ledger()).map(({ metadata }) => metadata['looks_like_baseline'] ?? false),
      [false, false, true, false],
    );
    const { stdout } = await world.client('status', 'inc');
    assert.match(
      stdout,
      /\n {2}seeded again\? automations\/inc\/changes\/2026-03-01T00-03-00\.csv {2}\(as large as the table: tidemark rebuild\)/,
    );
    await world.rebuildWork();
    const before = await readTable(world.db, inc);
    const left = await rebuild('--from', fileName(3), ...WHY);
    assert.deepEqual([left.status, left.from, left.files, left.difference.extra], [0, full(3), 2, 11]);
    assert.deepEqual([left.inserted, left.updated, left.removed], [0, 0, 0]);
    assert.deepEqual(left.found.map(({ finding, key, line }) => [finding, key, line]).at(0), [
      'extra',
      full(1),
      11,
    ]);
    assert.deepEqual(await readTable(world.db, inc), before);
    assert.deepEqual(await flagged(), [{ key: null, rows: 120 }]);
    const { removed } = await (
      await world.startRebuild({ from: full(3), removes: true, agreed: true })
    ).result();
    assert.equal(removed, 11);
    assert.deepEqual(await flagged(), [{ key: null, rows: 109 }]);
    // From now on the table begins with that file, for those who look and for the next rebuild.
    assert.equal((await world.client('verify', 'inc')).status, 0);
    const next = await (await world.startRebuild({ agreed: true })).result();
    assert.deepEqual(
      [next.from, next.files, next.inserted, next.updated, next.difference?.extra],
      [full(3), 2, 0, 0, 0],
    );
  });

  it('leaves the table as it was after a file, under another name, for who may read the live one', async () => {
    await load();
    const looker = `looker_${world.name}`;
    await world.shared.admin.unsafe(`create role ${looker}`);
    await world.db.query(`grant select on tickets.inc to ${looker}`);
    const before = await readTable(world.db, inc);
    await world.rebuildWork();
    const kept = await rebuild('--as-of', fileName(3), '--reason', 'what did we know', '--wait');
    assert.deepEqual([kept.status, kept.outcome, kept.files, kept.rows], [0, 'kept', 2, 5]);
    assert.equal(kept.table, 'tickets_rebuild.inc_as_of_20260301t000300');
    const rows = await world.db.query(
      `select ticket_id as id, priority, source_key as key from ${kept.table} order by 1`,
    );
    assert.deepEqual(rows, [
      { id: 'A', priority: 'P2', key: full(3) },
      { id: 'B', priority: 'P1', key: full(1) },
      { id: 'C', priority: 'P1', key: full(1) },
      { id: 'D', priority: 'P1', key: full(1) },
      { id: 'E', priority: 'hushhush priority', key: full(3) },
    ]);
    const [may] = await world.db.query(
      `select has_table_privilege('${looker}', $1, 'select') as looker,
         has_table_privilege('tidemark_reader', $1, 'select') as reader`,
      [kept.table],
    );
    assert.deepEqual(may, { looker: true, reader: false });
    assert.deepEqual(await readTable(world.db, inc), before);
    assert.ok((await world.ledger()).every(({ type }) => type !== 'rebuilt'));
    await assert.rejects(
      (await world.startRebuild({ asOf: full(3) })).result(),
      (error: WorkflowFailedError) => {
        assert.match(
          error.cause?.message ?? '',
          /inc_as_of_20260301t000300 is there already\. Drop it first$/,
        );
        return true;
      },
    );
  });

  it('is refused while a file in between is gone or has other bytes, and changes nothing', async () => {
    await load();
    await spoil();
    const before = await readTable(world.db, inc);
    await world.rebuildWork();
    const bytes = await world.content(archived(3));
    await world.put(archived(3), incFile([{ ticket_id: 'A', priority: 'forged' }]));
    const altered = await rebuild(...WHY);
    assert.deepEqual([altered.status, altered.stdout], [1, '']);
    assert.match(
      altered.stderr,
      /^tidemark: inc \S+T00-03-00\.csv: its object has other bytes than the ledger says\. Put the object/,
    );
    await world.remove(archived(3));
    await world.remove(archived(2));
    const gone = await rebuild(...WHY);
    assert.equal(gone.status, 1);
    assert.match(
      gone.stderr,
      /^tidemark: inc \S+T00-03-00\.csv: its object is gone, from changes\/ and from the archive, and so are 1 more\./,
    );
    assert.deepEqual(await readTable(world.db, inc), before);
    assert.deepEqual(await world.db.query(`select from pg_tables where schemaname = 'tickets_rebuild'`), []);
    await world.put(archived(3), bytes);
    const from = await rebuild('--from', fileName(2), ...WHY);
    assert.match(
      from.stderr,
      /a rebuild begins with a file that was applied in its order, and the ledger has no such one/,
    );
    assert.ok((await world.ledger()).every(({ type }) => type !== 'rebuilt'));
  });

  it('what another loader did is not known: a rebuild needs a file to begin with', async () => {
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       values ('inc', $1, 'adopted', jsonb_build_object('source_max_key', $1::text))`,
      [full(0)],
    );
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.rebuildWork();
    const refused = await rebuild(...WHY);
    assert.match(refused.stderr, /no file of the ledger is a baseline: .* tidemark rebuild inc --from KEY/);
    const done = await (await world.startRebuild({ from: full(1), agreed: true })).result();
    assert.deepEqual([done.from, done.difference?.built], [full(1), 1]);
  });

  it('killed in the middle it goes on behind the last file that was merged', async () => {
    const names = Array.from({ length: 200 }, (_unused, n) => fileName(n));
    await Promise.all(
      names.map((name, n) => world.put(name, incFile([{ ticket_id: `T${n % 7}`, priority: `P${n}` }]))),
    );
    await world.run();
    const good = await readTable(world.db, inc);
    await spoil();
    const handle = await world.startRebuild({ agreed: true });
    const first = world.rebuildProcess();
    const done = async (): Promise<number> => {
      const [row] = await world.db.query<{ n: number }>(
        'select max(files_done)::int as n from tickets.rebuilds',
      );
      return row?.n ?? 0;
    };
    while ((await done()) < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    first.kill('SIGKILL');
    const at = await done();
    assert.ok(at < 200, `${at} files merged before the kill`);
    // The definition that the process has, not this world's.
    await world.rebuildWork([inc]);
    const { outcome, files } = await handle.result();
    assert.deepEqual([outcome, files], ['applied', 200]);
    assert.deepEqual(await attemptsOf(handle), [1, 2]);
    const mended = new Map(await readTable(world.db, inc));
    mended.delete('Z');
    assert.deepEqual(mended, good);
  });

  it('takes in what was loaded since, and readers see the table before or after it, never a mixture', async () => {
    const rows = Array.from({ length: 3_000 }, (_unused, n) => ({ ticket_id: `T${n}`, priority: 'good' }));
    await world.put(fileName(1), incFile(rows));
    await world.run();
    await world.db.query(`create view public.open_inc as select * from tickets.inc`);
    await world.db.query(
      `create table public.notes (ticket_id text collate "C" references tickets.inc, note text)`,
    );
    await world.db.query(`insert into public.notes values ('T7', 'seen')`);
    await world.db.query(`update tickets.inc set priority = 'bad'`);
    await world.rebuildWork();
    const handle = await world.startRebuild({});
    await until(async () => (await state()) === 'compared');
    await world.putAndLoad(
      fileName(2),
      incFile([
        { ticket_id: 'T1', priority: 'good' },
        { ticket_id: 'N', priority: 'good' },
      ]),
    );
    await world.db.query(`update tickets.inc set priority = 'bad'`);
    const seen = new Set<string>();
    const reader = { over: false };
    const reading = (async () => {
      while (!reader.over) {
        const found = await world.deps.pool.query<{ priority: string }>(
          'select distinct priority from tickets.inc order by 1',
        );
        seen.add(found.map(({ priority }) => priority).join());
      }
    })();
    await handle.signal('decide', true);
    const result = await handle.result();
    reader.over = true;
    await reading;
    assert.deepEqual([result.outcome, result.updated, result.inserted], ['applied', 3_001, 0]);
    assert.deepEqual(
      [...seen].filter((priorities) => priorities.includes(',')),
      [],
    );
    const [count] = await world.db.query(
      `select count(*)::int as n from public.open_inc where priority = 'good'`,
    );
    assert.deepEqual(count, { n: 3_001 });
    assert.deepEqual(
      (await world.ledger()).map(({ type }) => type),
      ['baseline', 'delta', 'rebuilt'],
    );
  });

  it('catches up without the lock where much was loaded since', async () => {
    await load();
    const names = Array.from({ length: 45 }, (_unused, n) => fileName(n + 10));
    const keys = await Promise.all(
      names.map((name, n) => world.put(name, incFile([{ ticket_id: `T${n % 3}`, priority: `P${n}` }]))),
    );
    await world.rebuildWork();
    const handle = await world.startRebuild({});
    await until(async () => (await state()) === 'compared');
    assert.equal((await world.loadSmall(...keys)).results.length, 45);
    const good = await readTable(world.db, inc);
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'T2'`);
    await handle.signal('decide', true);
    const { updated, difference } = await handle.result();
    assert.deepEqual([updated, difference?.built], [1, 8]);
    const { events } = await handle.fetchHistory();
    const begun = (events ?? []).map(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name,
    );
    assert.equal(begun.filter((name) => name === 'applyRebuild').length, 2);
    assert.deepEqual(await readTable(world.db, inc), good);
    const [deed] = (await world.ledger()).filter(({ type }) => type === 'rebuilt');
    assert.equal(deed?.metadata['files'], 49);
  });

  it('a ticket that another table refers to is not removed: nothing is changed', async () => {
    await load();
    await spoil();
    await world.db.query(`create table public.notes (ticket_id text collate "C" references tickets.inc)`);
    await world.db.query(`insert into public.notes values ('Z')`);
    const before = await readTable(world.db, inc);
    await world.rebuildWork();
    const { status, stderr } = await rebuild(...WHY, '--remove');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /a constraint of the live table refuses the difference; nothing was changed \[23503\]\. Where other/,
    );
    assert.deepEqual(await readTable(world.db, inc), before);
  });

  it('without a terminal to ask on and without --yes nothing is begun; nobody agreed: the table is dropped', async () => {
    await load();
    await spoil();
    const before = await readTable(world.db, inc);
    const { status, stderr } = await rebuild('--reason', 'looks wrong');
    assert.equal(status, 3);
    assert.match(
      stderr,
      /will be written into tickets\.inc\.\nThere is no terminal to ask on: nothing was done/,
    );
    await world.rebuildWork();
    const handle = await world.startRebuild({});
    await until(async () => (await state()) === 'compared');
    await handle.signal('decide', false);
    assert.equal((await handle.result()).outcome, 'dropped');
    assert.deepEqual(await readTable(world.db, inc), before);
    assert.deepEqual(await world.db.query(`select from pg_tables where schemaname = 'tickets_rebuild'`), []);
  });

  it('on a terminal it shows what differs, then asks', async () => {
    await load();
    await spoil();
    await world.rebuildWork();
    const no = await onTerminal(world, 'n\n');
    assert.deepEqual([no.status, await state()], [3, 'dropped']);
    assert.match(
      no.said,
      /missing: 1 row[^]*In tickets\.inc: 1 row inserted, 1 updated\.\s[^]*Go on\? \[y\/N\]/,
    );
    const yes = await onTerminal(world, 'y\n');
    assert.deepEqual([yes.status, await state()], [0, 'applied']);
    assert.match(
      yes.said,
      /tickets\.inc: inserted 1, updated 1, removed 0\s+1 row that no file leads to left/,
    );
  });

  async function state(): Promise<string | undefined> {
    const [row] = await world.db.query<{ state: string }>(
      'select state from tickets.rebuilds order by id desc limit 1',
    );
    return row?.state;
  }
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}
