import assert from 'node:assert/strict';
import { hostname, userInfo } from 'node:os';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const WHO = `${userInfo().username}@${hostname()}`;

describe('tidemark watermark', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  function set(key: string, ...more: string[]): Promise<Printed> {
    return world.client('watermark', 'set', 'inc', key, '--reason', 'old loader', ...more);
  }

  async function show(): Promise<Record<string, unknown>> {
    return JSON.parse((await world.client('watermark', 'show', 'inc', '--json')).stdout) as Record<
      string,
      unknown
    >;
  }

  it('show says the watermark and its deed, and where there is none', async () => {
    assert.match((await world.client('watermark', 'show', 'inc')).stdout, /^inc has no watermark/);
    assert.equal((await show())['watermark'], null);
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    assert.match(
      (await world.client('watermark', 'show', 'inc')).stdout,
      new RegExp(`^${full(1)}\nbaseline, `),
    );
  });

  it('set covers what lies at or below, settles its failures, and the next file is a delta', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), 'no header');
    await assert.rejects(world.load(full(2)));
    await world.put(fileName(3), incFile([{ ticket_id: 'B' }]));
    await world.put(fileName(4), incFile([{ ticket_id: 'C' }]));
    const refused = await set(fileName(3), '--yes');
    assert.deepEqual([refused.status, refused.stdout], [3, '']);
    assert.match(
      refused.stderr,
      /2 files not loaded by this ledger will be left for good: .*00-02-00.*00-03-00/,
    );
    const { status, stdout } = await set(fileName(3), '--yes', '--force');
    assert.deepEqual([status, stdout], [0, `watermark: ${full(3)}, adopted\n2 files covered\n`]);
    const [adopted] = (await world.ledger()).filter(({ type }) => type === 'adopted');
    assert.deepEqual(adopted?.metadata, { source_max_key: full(3), who: WHO, reason: 'old loader' });
    const shown = await show();
    assert.deepEqual(
      [shown['watermark'], shown['exportType'], shown['who'], shown['adoptedUpTo']],
      [full(3), 'adopted', WHO, full(3)],
    );
    const result = await world.run();
    assert.deepEqual([result.applied, result.covered, result.watermark], [1, 2, full(4)]);
    assert.equal((await world.ledger()).at(-1)?.type, 'delta');
    const late = await world.client('apply-late', 'inc', fileName(3), '--reason', 'after all', '--yes');
    assert.equal(late.status, 0);
  });

  it('set counts rows that something else has put there, beside those that loads have inserted', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.db.query(
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at)
       select 'by hand ' || n, '', 0, now() from generate_series(1, 2) n`,
    );
    assert.equal((await set(fileName(2), '--yes')).status, 0);
    assert.deepEqual(
      (await world.ledger()).map(({ type, inserted }) => [type, inserted]),
      [
        ['baseline', 1],
        ['adopted', 2],
      ],
    );
    assert.deepEqual(
      await world.db.query(`select rows::int from tickets.dataset_status where dataset = 'inc'`),
      [{ rows: 3 }],
    );
  });

  it('set takes a stamp, a name and a key in the archive; twice is once', async () => {
    await world.db.query(
      `insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('A', 'k', 2, now())`,
    );
    const stamp = fileName(1).replace('.csv', '');
    assert.equal((await set(stamp, '--yes', '--json')).status, 0);
    const again = await set(inc.processedPrefix + fileName(1), '--yes');
    assert.deepEqual(
      [again.status, again.stdout],
      [0, `${full(1)} is the watermark already, nothing to do\n`],
    );
    assert.equal((await world.ledger()).length, 1);
  });

  it('set refuses to go back, ahead of the clock, onto an empty table, and what is no name', async () => {
    assert.match(
      (await set(fileName(2), '--yes')).stderr,
      /tickets\.inc is empty: later files will be applied/,
    );
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A' }]));
    const cases = [
      [fileName(1), 1, /cannot be moved back/],
      ['2999-01-01T00-00-00', 1, /lies ahead of S3's clock/],
      ['2026-02-30T00-00-00', 1, /names no change file of inc/],
      ['\u001b[2J', 1, /names no change file of inc/],
    ] as const;
    for (const [key, code, message] of cases) {
      const { status, stderr } = await set(key, '--yes', '--force');
      assert.equal(status, code);
      assert.match(stderr, message);
      assert.ok(!stderr.includes('\u001b'));
    }
    assert.equal((await set(fileName(3))).status, 3);
    assert.deepEqual(
      (await world.ledger()).map(({ type }) => type),
      ['baseline'],
    );
  });

  it('set gives up where a load holds the dataset', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      const { status, stderr } = await set(fileName(2), '--yes');
      assert.equal(status, 1);
      assert.match(stderr, /A load holds the dataset; try again/);
    });
    assert.equal((await world.ledger()).length, 1);
  });
});
