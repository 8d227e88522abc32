import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile, type Cells } from '../support/incFile.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const archived = (n: number): string => inc.processedPrefix + fileName(n);

interface Verification {
  readonly verdict: string;
  readonly files: number;
  readonly stored: number;
  readonly expected: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  readonly unverifiable: number;
  readonly columns: Record<string, number>;
  readonly rows: { finding: string; key: string; line: number; ticketId?: string }[];
  readonly unread: { key: string; why: string }[];
  readonly adopted: string[];
}

describe('tidemark verify', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld([{ ...inc, latePolicy: 'apply', maxRejects: 0 }]);
  });
  afterEach(() => world.close());

  async function verify(...args: string[]): Promise<Verification & { exit: number | null; stderr: string }> {
    const { status: exit, stdout, stderr } = await world.client('verify', 'inc', '--json', ...args);
    return { ...(JSON.parse(stdout) as Verification), exit, stderr };
  }

  /** Five tickets in a baseline, two deltas and a late file, applied and archived. */
  async function load(): Promise<void> {
    const at = (day: number, priority: string): Cells => ({
      updated_at: `2026-02-0${day} 10:00:00`,
      priority,
    });
    const base = ['A', 'B', 'C', 'D'].map((ticket_id) => ({ ticket_id, ...at(1, 'P1'), mttr: '1.50' }));
    await world.put(fileName(1), incFile(base));
    await world.put(
      fileName(3),
      incFile([{ ticket_id: 'A', ...at(3, 'P2') }, { ticket_id: 'E' }, { ticket_id: 'E' }]),
    );
    await world.put(fileName(4), incFile([{ ticket_id: 'B', ...at(1, 'P1'), mttr: '1.5' }]));
    await world.run();
    await world.put(
      fileName(2),
      incFile([
        { ticket_id: 'A', ...at(2, 'P9') },
        { ticket_id: 'C', ...at(2, 'P3') },
      ]),
    );
    await world.run();
  }

  it('a table that is what its files lead to: late files too, archived or not, beside a load that holds the dataset', async () => {
    await load();
    await world.putAndLoad(fileName(5), incFile([{ ticket_id: 'D', priority: 'P7' }]));
    const table = await readTable(world.db, inc);
    await world.db
      .transaction(async (tx) => {
        await tx.query(`select from tickets.dataset_state for update`);
        await tx.query(`update tickets.inc set priority = 'not committed'`);
        const { exit, stderr, verdict, files, stored, expected } = await verify();
        assert.deepEqual([exit, stderr, verdict, files, stored, expected], [0, '', 'equal', 5, 5, 5]);
        const [row] = await tx.query<{ waiting: number }>(
          `select count(*)::int as waiting from pg_locks where not granted`,
        );
        assert.equal(row?.waiting, 0);
        await tx.query(`update tickets.inc set priority = null where false`);
        throw new Error('roll back');
      })
      .catch((error: Error) => assert.equal(error.message, 'roll back'));
    assert.deepEqual(await readTable(world.db, inc), table);
    const { stdout } = await world.client('verify', 'inc');
    assert.equal(
      stdout,
      'inc: 5 files merged, 5 rows expected, 5 stored\nthe table is what its files lead to\n',
    );
  });

  it('rows that were edited, deleted, added: counted, by column, told by file and line, the ticket only when asked', async () => {
    await load();
    await world.db.query(`update tickets.inc set priority = 'edited', title = null where ticket_id = 'A'`);
    await world.db.query(`update tickets.inc set source_line = 9 where ticket_id = 'C'`);
    await world.db.query(`delete from tickets.inc where ticket_id = 'B'`);
    await world.db.query(
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('Z', $1, 7, now())`,
      [full(3)],
    );
    const found = await verify();
    assert.deepEqual([found.exit, found.verdict], [1, 'differs']);
    assert.equal(found.stderr, 'tidemark: the table of inc is not what its files lead to\n');
    assert.deepEqual([found.missing, found.extra, found.different], [1, 1, 2]);
    assert.deepEqual(found.columns, { priority: 1, title: 1, source_line: 1 });
    assert.deepEqual(found.rows, [
      { finding: 'different', key: full(2), line: 3 },
      { finding: 'different', key: full(3), line: 2 },
      { finding: 'extra', key: full(3), line: 7 },
      { finding: 'missing', key: full(1), line: 3 },
    ]);
    const ids = (await verify('--values')).rows.map(({ ticketId }) => ticketId);
    assert.deepEqual(ids, ['C', 'A', 'Z', 'B']);
    const { stdout, status } = await world.client('verify', 'inc');
    assert.equal(status, 1);
    assert.match(
      stdout,
      /\ndifferent: 2 rows\n {2}the row of automations\S+02-00\.csv line 3 has other values/,
    );
    assert.match(stdout, /\ncolumns that differ: title 1, priority 1, source_line 1\n$/);
  });

  it('objects that are gone or have other bytes are named, the rows that only they can tell are not judged, and it exits 1', async () => {
    await load();
    await world.remove(archived(3));
    const gone = await verify();
    assert.deepEqual(
      [gone.exit, gone.verdict, gone.unread],
      [1, 'incomplete', [{ key: full(3), why: 'gone' }]],
    );
    assert.deepEqual([gone.missing, gone.extra, gone.different, gone.unverifiable], [0, 0, 0, 2]);
    await world.put(archived(2), incFile([{ ticket_id: 'C', priority: 'forged' }]));
    const altered = await verify();
    assert.deepEqual(
      altered.unread.map(({ key, why }) => [key, why]),
      [
        [full(3), 'gone'],
        [full(2), 'altered'],
      ],
    );
    assert.deepEqual([altered.verdict, altered.unverifiable], ['incomplete', 3]);
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'D'`);
    const edited = await verify();
    assert.deepEqual([edited.verdict, edited.different, edited.columns], ['differs', 1, { priority: 1 }]);
  });

  it('rows of an adopted history are not judged; those of the ledger’s files are', async () => {
    await world.db.query(
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('old', 'before', 1, now())`,
    );
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       values ('inc', $1, 'adopted', jsonb_build_object('source_max_key', $1::text))`,
      [full(0)],
    );
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    const before = await verify();
    assert.deepEqual([before.exit, before.verdict, before.unverifiable], [0, 'equal', 1]);
    assert.deepEqual(before.adopted, [full(0)]);
    await world.db.query(`update tickets.inc set title = 'edited' where ticket_id = 'A'`);
    await world.db.query(`delete from tickets.inc where ticket_id = 'B'`);
    const after = await verify();
    assert.deepEqual([after.exit, after.different, after.missing, after.unverifiable], [1, 1, 1, 1]);
  });

  it('a large file is streamed; a file that today’s definition refuses is said', async () => {
    const rows = Array.from({ length: 6_000 }, (_unused, n) => ({ ticket_id: `T${n}` }));
    await world.putAndLoad(fileName(1), incFile(rows));
    const { verdict, expected } = await verify();
    assert.deepEqual([verdict, expected], ['equal', 6_000]);
    const { mttr: _mttr, ...columns } = inc.columns;
    const lenient = { ...columns, mttr: { type: 'numeric', onInvalid: 'null' } } as const;
    Object.assign(world.deps, { datasets: [{ ...inc, columns: lenient }] });
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'T1', mttr: 'hushhush' }]));
    assert.deepEqual((await verify()).unread, [{ key: full(2), why: 'refused' }]);
  });

  it('an empty dataset is what no files lead to', async () => {
    const { exit, files, stored } = await verify();
    assert.deepEqual([exit, files, stored], [0, 0, 0]);
  });
});
