import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { databaseUrl } from '../support/shared.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const stamp = (n: number): string => fileName(n).replace('.csv', '');

/** An older loader's ledger, with names that ours has too. */
const OLD = `create table tickets.import_meta (id serial primary key, file text, loaded timestamptz, metadata jsonb);
create index import_meta_by_key on tickets.import_meta (file);`;

describe('moving in from an older loader', function () {
  this.timeout(90_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    await world.db.query(`drop schema tickets cascade`);
    await world.db.query(`create schema tickets`);
  });
  afterEach(() => world.close());

  function migrate(...args: string[]): Promise<Printed> {
    const env = { ...world.env, DATABASE_URL: databaseUrl(world.shared.stack, world.name) };
    return world.command(['dist/client.js', 'migrate', ...args], env);
  }

  async function old(...metadata: (object | null)[]): Promise<void> {
    await world.db.query(OLD);
    for (const one of metadata) {
      const json = one === null ? null : JSON.stringify(one);
      await world.db.query(`insert into tickets.import_meta (metadata) values ($1::text::jsonb)`, [json]);
    }
  }

  /** Rows of `inc` and `crq`, as `status` has them. */
  async function rowsInStatus(): Promise<number[]> {
    const shown = await Promise.all(['inc', 'crq'].map((name) => world.client('status', name, '--json')));
    return shown.map(({ stdout }) => {
      const { datasets } = JSON.parse(stdout) as { datasets: readonly { rows: number }[] };
      return datasets[0]?.rows ?? NaN;
    });
  }

  it('sets its ledger aside, adopts the newest of its keys in any form, once, and a run goes on from there', async () => {
    await old(
      { source_max_key: stamp(1) },
      { source_max_key: fileName(3) },
      { source_max_key: full(2) },
      { source_max_key: inc.processedPrefix + fileName(2) },
      { other: 1 },
      null,
    );
    const { status, stdout, stderr } = await migrate();
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /tickets\.import_meta is now tickets\.import_meta_before_tidemark\n/);
    assert.match(
      stdout,
      new RegExp(`inc: watermark ${full(3)}, adopted; what lies at or below it is covered\n`),
    );
    assert.match(stdout, /tickets\.inc is empty: later files would be applied without a baseline/);
    assert.match((await migrate()).stdout, /^nothing to do: \d+ migrations applied before\n$/);
    const ledger = await world.ledger();
    assert.deepEqual(
      ledger.map(({ type, key, metadata }) => [
        type,
        key,
        metadata['source_max_key'],
        metadata['taken_from'],
      ]),
      [['adopted', full(3), full(3), 'tickets.import_meta_before_tidemark']],
    );
    const kept = await world.db.query(`select from tickets.import_meta_before_tidemark`);
    assert.equal(kept.length, 6);
    for (const n of [2, 4]) await world.put(fileName(n), incFile([{ ticket_id: `T${n}` }]));
    const result = await world.run();
    assert.deepEqual([result.applied, result.covered, result.watermark], [1, 1, full(4)]);
  });

  it('takes its table with the rows that are there, counts them, and loads into it', async () => {
    await old({ source_max_key: stamp(1) }, { source_max_key: stamp(1), dataset: 'crq' });
    const columns = Object.entries(inc.columns).map(([name, { type }]) => `${name} ${type}`);
    await world.db.query(`create table tickets.inc (${columns.join(', ')}, note text, must text not null)`);
    const refusal = await migrate();
    assert.equal(refusal.status, 1);
    assert.match(
      refusal.stderr,
      /does not fit: a column of its own .*; ticket_id has no unique index of its own\./,
    );
    await world.db.query(
      `alter table tickets.inc drop column must, add primary key (ticket_id),
         alter column mttr type text, alter column created_week type text`,
    );
    assert.match(
      (await migrate()).stderr,
      /does not fit: created_week is text, not date; mttr is text, not numeric\. Nothing was changed/,
    );
    await world.db.query(
      `alter table tickets.inc alter column mttr type numeric using mttr::numeric,
         alter column created_week type date using created_week::date;
       insert into tickets.inc (ticket_id, note) values ('A', 'kept'), ('B', 'kept');
       create view tickets.mine as select ticket_id, priority from tickets.inc;
       create table tickets.crq (${columns.join(', ')}, primary key (ticket_id));
       insert into tickets.crq (ticket_id) values ('X')`,
    );
    const { status, stdout } = await migrate();
    assert.equal(status, 0);
    assert.deepEqual(await world.db.query(`select ticket_id, source_key as key from tickets.crq`), [
      { ticket_id: 'X', key: '' },
    ]);
    assert.doesNotMatch(stdout, /is empty/);
    assert.deepEqual(await rowsInStatus(), [2, 1]);
    await world.put(fileName(2), incFile([{ ticket_id: 'A', priority: 'P1' }, { ticket_id: 'C' }]));
    const { rows } = await world.run();
    assert.deepEqual([rows.inserted, rows.updated], [1, 1]);
    assert.deepEqual(await rowsInStatus(), [3, 1]);
    const table = await world.db.query(
      `select ticket_id as id, note, source_key as key from tickets.inc order by ticket_id`,
    );
    assert.deepEqual(table, [
      { id: 'A', note: 'kept', key: full(2) },
      { id: 'B', note: 'kept', key: '' },
      { id: 'C', note: null, key: full(2) },
    ]);
    assert.equal((await world.db.query(`select from tickets.mine where priority = 'P1'`)).length, 1);
  });

  it('a ledger without a watermark is set aside, and the first file is the baseline', async () => {
    await old();
    const { stdout } = await migrate('--json');
    const { movedIn } = JSON.parse(stdout) as { movedIn: object };
    assert.deepEqual(movedIn, { setAside: 'import_meta_before_tidemark', adopted: [] });
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    assert.equal((await world.run()).applied, 1);
    assert.equal((await world.ledger())[0]?.type, 'baseline');
  });

  it('what it cannot interpret is named and refused, and nothing is changed', async () => {
    await old({ source_max_key: fileName(1) }, { source_max_key: 'offset 17\u001b[2J' });
    const { status, stdout, stderr } = await migrate();
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(
      stderr,
      /a source_max_key that names no change file: offset 17\\u001b\[2J\. Nothing was changed/,
    );
    assert.match(stderr, /tidemark watermark set inc KEY --reason TEXT/);
    const tables = await world.db.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'tickets'`,
    );
    assert.deepEqual(tables, [{ name: 'import_meta' }]);
    await world.db.query(
      `delete from tickets.import_meta where metadata ->> 'source_max_key' like 'offset%'`,
    );
    await world.db.query(`alter table tickets.import_meta alter column metadata type text`);
    assert.match((await migrate()).stderr, /has no column metadata of type jsonb/);
    await world.db.query(
      `alter table tickets.import_meta alter column metadata type jsonb using metadata::jsonb,
         add column dataset text not null default 'changes'`,
    );
    assert.match((await migrate()).stderr, /of the dataset changes that names no change file/);
    await world.db.query(`update tickets.import_meta set dataset = 'inc'`);
    assert.equal((await migrate()).status, 0);
  });
});
