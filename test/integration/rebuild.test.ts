import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
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
  this.timeout(120_000);
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
  });
});
