import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const FUTURE = `${inc.changesPrefix}2099-01-01T00-00-00.csv`;

describe('tidemark status', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  async function status(): Promise<Record<string, unknown>> {
    const { status: exit, stdout, stderr } = await world.client('status', '--json');
    assert.deepEqual([exit, stderr], [0, '']);
    const { datasets } = JSON.parse(stdout) as { datasets: Record<string, unknown>[] };
    assert.equal(datasets.length, 1);
    return datasets[0] ?? {};
  }

  /** One file of each state but vanished. */
  async function eachState(): Promise<void> {
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'A', priority: 'again' }]));
    await world.put(fileName(1), incFile([{ ticket_id: 'late' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'bad', mttr: 'soon' }]));
    await assert.rejects(world.load(full(3)), { name: 'TidemarkFailure', kind: 'RowsRejected' });
    await world.put(fileName(4), incFile([{ ticket_id: 'C' }]));
    await world.put(FUTURE, incFile([{ ticket_id: 'D' }]));
    await world.put('latest.csv', '');
  }

  it('--json has each dataset in the documented shape', async () => {
    await eachState();
    const { lastAppliedAt, freshnessSeconds, failed, ...rest } = await status();
    assert.deepEqual(rest, {
      dataset: 'inc',
      enabled: true,
      watermark: full(2),
      lastCheckedAt: null,
      rows: 2,
      pending: [full(4)],
      pendingTotal: 1,
      late: [full(1)],
      lateTotal: 1,
      changed: [full(2)],
      changedTotal: 1,
      future: [FUTURE],
      futureTotal: 1,
      failedTotal: 1,
      forgotten: null,
      coveredTotal: 0,
      ignoredTotal: 1,
      archiveDebt: 1,
      truncated: false,
      looksLikeBaseline: null,
      rebuild: null,
    });
    const [{ since, ...failure }] = failed as [{ since: string }];
    assert.deepEqual(failure, { key: full(3), kind: 'RowsRejected', line: 2, column: 'mttr' });
    for (const time of [lastAppliedAt, since]) assert.ok(Date.now() - Date.parse(String(time)) < 60_000);
    assert.ok(Number(freshnessSeconds) > 0);
  });

  it('names an archived file that the ledger has forgotten, at which every run ends', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    const key = await world.put(inc.processedPrefix + fileName(2), incFile([{ ticket_id: 'B' }]));
    const { stdout } = await world.client('status', 'inc');
    assert.ok(
      stdout.includes(`
  LedgerBehind  ${key}
                is archived, and the ledger does not know it  (tidemark plan inc)
`),
      stdout,
    );
  });

  it('the glance names what needs a person, in a few aligned lines', async () => {
    await eachState();
    const { stdout } = await world.client('status', 'inc');
    const shown = stdout.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME').replace(/\d+ days/, 'N days');
    assert.equal(
      shown,
      `inc
  watermark     ${full(2)}
  fresh         N days since the export of the watermark started
  rows          2
  last applied  TIME
  last checked  -
  pending       1
                ${full(4)}
  failed        1  (the dataset stops there: mend the object, or tidemark skip)
                ${full(3)}  RowsRejected, line 2, column mttr, since TIME
  late          1  (tidemark apply-late, or skip)
                ${full(1)}
  changed       1  (tidemark reload, or skip)
                ${full(2)}
  future        1
                ${FUTURE}
  ignored       1
  to archive    1
`,
    );
  });

  it('names the datasets that are switched off, where none was named', async () => {
    const bare = await world.client('status');
    const named = await world.client('status', 'inc');
    assert.equal(bare.stdout, `${named.stdout}\nswitched off: crq  (tidemark status <dataset>)\n`);
  });

  it('names a rebuild that waits for an answer', async () => {
    await world.db.query(
      `insert into tickets.rebuilds (dataset, who, reason, state) values ('inc', 'w', 'r', 'compared')`,
    );
    assert.match(
      (await world.client('status', 'inc')).stdout,
      /\n {2}rebuild {7}waits for an answer {2}\(tidemark rebuild inc --reason TEXT\)\n/,
    );
    assert.equal((await status())['rebuild'], 'compared');
  });

  it('a mended object is pending, no failure; one that vanished is a failure', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A', mttr: 'soon' }]));
    await assert.rejects(world.load(full(1)));
    await world.put(fileName(1), incFile([{ ticket_id: 'A', mttr: '1' }]));
    const mended = await status();
    assert.deepEqual([mended['pending'], mended['failedTotal']], [[full(1)], 0]);

    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await assert.rejects(world.load(full(2)), { kind: 'FileVanished' });
    const [failed] = (await status())['failed'] as { key: string; kind: string }[];
    assert.deepEqual([failed?.key, failed?.kind], [full(2), 'FileVanished']);
  });

  it('lists of keys are cut at 100, the total beside them, over all pages of the listing', async () => {
    const n = 1_050;
    for (let i = 0; i < n; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => world.put(fileName(i + j), '')));
    }
    const { pending, pendingTotal } = await status();
    assert.deepEqual(
      pending,
      Array.from({ length: 100 }, (_, i) => full(i)),
    );
    assert.equal(pendingTotal, n);
  });

  it('changes nothing', async () => {
    await eachState();
    const state = (): Promise<unknown> =>
      world.db.query(
        `select (select jsonb_agg(m) from tickets.import_meta m) as meta,
           (select jsonb_agg(s) from tickets.dataset_state s) as state,
           (select jsonb_agg(f) from tickets.import_failures f) as failures`,
      );
    const before = [await state(), await world.keys()];
    await world.client('status');
    await world.client('files', 'inc');
    await world.client('rejects', 'inc');
    await world.client('plan', 'inc', '--scan');
    assert.deepEqual([await state(), await world.keys()], before);
  });
});
