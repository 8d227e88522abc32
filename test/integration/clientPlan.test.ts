import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, INC_COLUMNS, incFile } from '../support/incFile.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);

interface Plan {
  readonly watermark: string | null;
  readonly loads: number;
  readonly stopsAt: string | null;
  readonly files: { key: string; state: string; would: string }[];
  readonly scan: {
    key: string;
    counts: Record<string, number> | null;
    failure: { kind: string; line?: number; column?: string } | null;
    rejects: object[];
    unknownColumns: string[];
    unknownValues: object;
    nulled: object;
  }[];
}

describe('tidemark plan', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  async function plan(...args: string[]): Promise<Plan & { exit: number | null; stderr: string }> {
    const { status: exit, stdout, stderr } = await world.client('plan', 'inc', '--json', ...args);
    return { ...(JSON.parse(stdout) as Plan), exit, stderr };
  }

  it('says in order what a run would do with each object, and where it would stop', async () => {
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(1), incFile([{ ticket_id: 'late' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'B' }]));
    await world.put(fileName(4), 'no header');
    await assert.rejects(world.load(full(4)));
    await world.put(fileName(5), incFile([{ ticket_id: 'C' }]));
    await world.put('latest.csv', '');
    const { exit, files, loads, stopsAt } = await plan();
    assert.deepEqual(
      files.map(({ key, state, would }) => [key, state, would]),
      [
        [full(1), 'late', 'leave'],
        [full(2), 'applied', 'archive'],
        [full(3), 'pending', 'load'],
        [full(4), 'failed', 'stop'],
        [full(5), 'pending', 'not reached'],
        [`${inc.changesPrefix}latest.csv`, 'ignored', 'leave'],
      ],
    );
    assert.deepEqual([exit, loads, stopsAt], [0, 1, full(4)]);
  });

  it('--scan counts as the loads would, each file seeing the rows of those before it', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    const rest = [
      [{ ticket_id: 'A', priority: 'P1' }, { ticket_id: 'C' }, { ticket_id: 'C', priority: 'P2' }],
      [{ ticket_id: 'A', priority: 'P1' }, { ticket_id: 'C' }, { ticket_id: 'D', is_alarm: 'true' }],
      [{ ticket_id: 'B' }, { ticket_id: 'EXPORT STOPPED at 3' }],
    ];
    for (const [i, rows] of rest.entries()) await world.put(fileName(i + 2), incFile(rows));
    const table = await readTable(world.db, inc);
    const { exit, scan, loads } = await plan('--scan');
    assert.deepEqual([exit, loads], [0, 3]);
    assert.deepEqual(await readTable(world.db, inc), table);

    const loaded: Record<string, number>[] = [];
    for (let n = 2; n <= 4; n++) {
      const result = await world.load(full(n));
      assert.ok(result.outcome === 'applied');
      loaded.push({ ...result.counts });
    }
    assert.deepEqual(
      scan.map(({ key, counts }) => [key, counts]),
      loaded.map((counts, i) => [full(i + 2), counts]),
    );
  });

  it('--scan shows every problem at once, by line and column, without a value, and exits 1', async () => {
    const columns = [...INC_COLUMNS, 'colour'];
    const strange = { ticket_id: 'A', region: 'hushhush Mars', raw_status: 'open' };
    await world.put(fileName(1), incFile([strange], { columns }));
    await world.put(
      fileName(2),
      incFile([
        { ticket_id: 'B', mttr: 'hushhush' },
        { ticket_id: 'C', created_at: 'hushhush' },
      ]),
    );
    await world.put(fileName(3), incFile([{ ticket_id: 'A' }], { columns: INC_COLUMNS.slice(1) }));
    await world.put(fileName(4), incFile([{ ticket_id: 'A' }]));
    const { exit, stderr, scan, loads, stopsAt, files } = await plan('--scan');
    assert.deepEqual([exit, stderr], [1, 'tidemark: 2 files would be refused\n']);
    assert.deepEqual([loads, stopsAt], [1, full(2)]);
    assert.deepEqual(
      files.map(({ would }) => would),
      ['load', 'stop', 'not reached', 'not reached'],
    );
    assert.deepEqual([scan[0]?.unknownColumns, scan[0]?.unknownValues], [['colour'], { region: 1 }]);
    assert.deepEqual(scan[1]?.rejects, [
      { line: 2, column: 'mttr', reason: 'not a decimal number' },
      { line: 3, column: 'created_at', reason: 'not a time in ISO 8601' },
    ]);
    assert.deepEqual(
      scan.map(({ failure }) => failure && [failure.kind, failure.line, failure.column]),
      [null, ['RowsRejected', 2, 'mttr'], ['SchemaMismatch', 1, 'ticket_id'], null],
    );
    assert.deepEqual([scan[3]?.counts?.['updated'], scan[3]?.counts?.['unchanged']], [1, 0]);
  });

  it('--scan neither waits for a load nor makes one wait', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      await tx.query(`insert into tickets.inc (ticket_id, source_key, source_line, loaded_at)
                      values ('A', 'k', 2, now())`);
      const { exit, scan } = await plan('--scan');
      assert.deepEqual([exit, scan[0]?.counts?.['inserted']], [0, 1]);
      const [row] = await tx.query<{ waiting: number }>(
        `select count(*)::int as waiting from pg_locks where not granted`,
      );
      assert.equal(row?.waiting, 0);
    });
  });
});
