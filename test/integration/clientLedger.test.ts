import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);

describe('what the client shows of the ledger', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it('files: the newest deeds first, and what is listed and not applied', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B', is_alarm: '1' }]));
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A', priority: 'P1' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'C' }]));
    await world.put(`${inc.changesPrefix}odd\u202egnp.csv`, '');
    const { stdout } = await world.client('files', 'inc', '--limit', '1');
    assert.equal(
      stdout.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '(a local time here)'),
      `FILE                     TYPE   READ  INSERTED  UPDATED  UNCHANGED  DROPPED  REJECTED  IMPORTED AT          ARCHIVED AT  REASON
${fileName(2)}  delta     1         0        1          0        0         0  (a local time here)  -
2 ledger rows, 1 shown; times are of Africa/Nairobi

listed, not applied:
STATE    BYTES  KEY
pending    636  ${full(3)}
ignored      0  ${inc.changesPrefix}odd\\u202egnp.csv
`,
    );
    const json = JSON.parse((await world.client('files', 'inc', '--json')).stdout) as {
      deeds: Record<string, unknown>[];
      deedsTotal: number;
      notApplied: { state: string }[];
    };
    assert.deepEqual(
      json.deeds.map(({ key, exportType, read, alarm }) => [key, exportType, read, alarm]),
      [
        [full(2), 'delta', 1, 0],
        [full(1), 'baseline', 2, 1],
      ],
    );
    assert.deepEqual(
      [json.deedsTotal, json.notApplied.map(({ state }) => state)],
      [2, ['pending', 'ignored']],
    );
  });

  it('files: names those that the exporter cut short', async () => {
    const cut = { ticket_id: 'EXPORT STOPPED: limit' };
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'B' }, cut]));
    await world.putAndLoad(fileName(3), incFile([{ ticket_id: 'C' }]));
    const { stdout } = await world.client('files', 'inc', '--truncated');
    const [, shown, total] = stdout.split('\n');
    assert.match(shown ?? '', new RegExp(`^${fileName(2)}  delta, truncated +2 `));
    assert.equal(total, '1 ledger row, 1 shown; times are of Africa/Nairobi');
    const { stdout: text } = await world.client('files', 'inc', '--json');
    const { deeds } = JSON.parse(text) as { deeds: { key: string; truncated: boolean }[] };
    assert.deepEqual(
      deeds.map(({ key, truncated }) => [key, truncated]),
      [3, 2, 1].map((n) => [full(n), n === 2]),
    );
  });

  it('rejects: line, column and reason; the row only with --values, made harmless for a terminal', async () => {
    const row = `A${',x'.repeat(10)}`;
    await world.put(fileName(1), incFile([{ ticket_id: 'A', mttr: 'hushhush' }]));
    await assert.rejects(world.load(full(1)));
    await world.db.query(`update tickets.import_rejects set row_text = $1`, [`${row}\u001b]0;gotcha\u0007`]);
    const { stdout } = await world.client('rejects', 'inc', fileName(1));
    assert.match(
      stdout,
      new RegExp(
        `^${full(1)}\\n1 row rejected; .*; content [0-9a-f]{8}: refused, the dataset stops there\\n` +
          `LINE  COLUMN  REASON\\n   2  mttr    not a decimal number\\n$`,
      ),
    );
    const shown = await world.client('rejects', 'inc', '--values');
    assert.match(shown.stdout, /not a decimal number {2}A(,x){10}\\u001b\]0;gotcha\\u0007\n$/);
    const json = async (...args: string[]): Promise<unknown> => {
      const { stdout: text } = await world.client('rejects', 'inc', full(1), '--json', ...args);
      return (JSON.parse(text) as { files: { rows: unknown }[] }).files[0]?.rows;
    };
    const place = { line: 2, column: 'mttr', reason: 'not a decimal number' };
    assert.deepEqual(await json(), [place]);
    assert.deepEqual(await json('--values'), [{ ...place, row: `${row}\u001b]0;gotcha\u0007` }]);
  });

  it('rejects: says so where there are none', async () => {
    assert.equal((await world.client('rejects', 'inc')).stdout, 'no row was rejected\n');
  });
});
