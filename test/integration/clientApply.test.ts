import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname, userInfo } from 'node:os';
import { inc } from '../../src/datasets/inc.ts';
import { until } from '../support/faults/deadline.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const archived = (n: number): string => inc.processedPrefix + fileName(n);
const WHO = `${userInfo().username}@${hostname()}`;
const at = (hour: number): string => `2026-03-01T${String(hour).padStart(2, '0')}:00:00Z`;

describe('tidemark apply-late and reload', function () {
  this.timeout(90_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  function type(verb: string, key: string, ...more: string[]): Promise<Printed> {
    return world.client(verb, 'inc', key, '--reason', 'because', ...more);
  }

  /** The watermark is file 3; file 1 is late, and has one row that is newer, one that is older and one that is new. */
  async function arrangeLate(): Promise<void> {
    const stored = [
      { ticket_id: 'A', updated_at: at(5) },
      { ticket_id: 'B', updated_at: at(5) },
    ];
    await world.putAndLoad(fileName(3), incFile(stored));
    const late = [
      { ticket_id: 'A', priority: 'P1', updated_at: at(4) },
      { ticket_id: 'B', priority: 'P1', updated_at: at(6) },
      { ticket_id: 'C', updated_at: at(1) },
    ];
    await world.put(fileName(1), incFile(late));
  }

  async function priorities(): Promise<(string | null | undefined)[]> {
    const table = await readTable(world.db, inc);
    return ['A', 'B', 'C'].map((id) => table.get(id)?.['priority']);
  }

  it('apply-late loads what is newer, records who and why, archives, and moves no watermark', async () => {
    await arrangeLate();
    const { status, stdout, stderr } = await type('apply-late', fileName(1), '--yes');
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(
      stdout,
      `${full(1)}: applied as late\n` +
        'rows: read 3, inserted 1, updated 1, unchanged 0, stale 1, superseded 0, alarm 0, sentinel 0, rejected 0\n' +
        `watermark: ${full(3)}, unmoved\nlies in ${archived(1)}\n`,
    );
    const [old, , newer] = await priorities().then(([a, b, c]) => [a, c, b]);
    assert.deepEqual([old !== 'P1', newer], [true, 'P1']);
    const [row] = (await world.ledger()).filter(({ type }) => type === 'late');
    assert.deepEqual([row?.key, row?.archived, row?.stale], [full(1), true, 1]);
    const { who, reason, source_max_key: watermark } = row?.metadata ?? {};
    assert.deepEqual([who, reason, watermark], [WHO, 'because', full(3)]);
    const again = await type('apply-late', fileName(1), '--yes', '--json');
    assert.deepEqual(
      [again.status, JSON.parse(again.stdout)],
      [0, { dataset: 'inc', key: full(1), applied: null }],
    );
    assert.equal((await world.ledger()).length, 2);
  });

  it('without a terminal and without --yes nothing is done, and the status is 3', async () => {
    await arrangeLate();
    const { status, stdout, stderr } = await type('apply-late', fileName(1));
    assert.deepEqual([status, stdout], [3, '']);
    assert.match(
      stderr,
      /will be loaded into tickets\.inc[^]*There is no terminal to ask on: nothing was done/,
    );
    assert.equal((await world.client('apply-late', 'inc', fileName(1), '--yes')).status, 2);
    assert.match(
      (await world.client('reload', 'inc', fileName(3), '--reason', ' ')).stderr,
      /--reason is empty/,
    );
    assert.deepEqual(await world.keys(), [full(1), full(3)]);
  });

  it('on a terminal it asks; only yes is yes', async () => {
    await arrangeLate();
    assert.equal(await onTerminal(world, 'n\n'), 3);
    assert.equal((await world.ledger()).length, 1);
    assert.equal(await onTerminal(world, '\u0004'), 3);
    assert.equal(await onTerminal(world, 'y\n'), 0);
    assert.equal((await world.ledger()).length, 2);
  });

  it('apply-late refuses what is not late, and names the verb that is right', async () => {
    await arrangeLate();
    await world.put(fileName(4), incFile([{ ticket_id: 'D' }]));
    const cases = [
      [3, /is applied \(baseline\)\. To load it again: tidemark reload inc/],
      [4, /is not late: a run loads it in order\. Start one: tidemark start inc/],
      [2, /is not listed/],
    ] as const;
    for (const [n, message] of cases) {
      const { status, stderr } = await type('apply-late', full(n), '--yes');
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
    await world.client('skip', 'inc', full(1), '--reason', 'no');
    await world.put(fileName(1), await world.content(inc.skippedPrefix + fileName(1)));
    assert.match((await type('apply-late', full(1), '--yes')).stderr, /this content is skipped/);
    assert.match((await type('reload', full(4), '--yes')).stderr, /was never applied/);
  });

  it('a late file that cannot be read changes nothing, keeps its rejects, and stops no run', async () => {
    await arrangeLate();
    await world.put(fileName(1), incFile([{ ticket_id: 'A', mttr: 'hushhush' }]));
    const { status, stderr } = await type('apply-late', fileName(1), '--yes');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /00-01-00\.csv line 2 column mttr: 1 row rejected[^]*Nothing was applied\. See them/,
    );
    assert.match((await world.client('rejects', 'inc')).stdout, /settled \(not applied\)/);
    const [view] = await world.db.query(
      `select failed_total::int as failed from tickets.dataset_status where dataset = 'inc'`,
    );
    assert.deepEqual(view, { failed: 0 });
    assert.equal((await world.run()).applied, 0);
  });

  it('reload takes changed content from changes/, else the archived one, and equal versions win', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A', priority: 'P3', updated_at: at(5) }]));
    await world.run();
    await world.put(fileName(1), incFile([{ ticket_id: 'A', priority: 'P1', updated_at: at(5) }]));
    const first = await type('reload', fileName(1), '--yes', '--json');
    const printed = JSON.parse(first.stdout) as { from: string; archive: string; object: string };
    assert.deepEqual([first.status, printed.from, printed.archive], [0, full(1), 'archived']);
    assert.notEqual(printed.object, archived(1));
    assert.equal((await priorities())[0], 'P1');
    await world.db.query(`update tickets.inc set priority = 'by hand'`);
    const second = await type('reload', fileName(1), '--yes');
    assert.match(second.stdout, new RegExp(`updated 1,[^]*lies in ${printed.object}`));
    assert.equal((await priorities())[0], 'P1');
    assert.deepEqual(
      (await world.ledger()).map(({ type, archived }) => [type, archived]),
      [
        ['baseline', true],
        ['reload', true],
        ['reload', true],
      ],
    );
    assert.equal((await world.run()).changed.total, 0);
  });

  it('waits while a load holds the dataset; killed in the wait it leaves nothing, and can be repeated', async () => {
    await arrangeLate();
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      const child = spawn(
        process.execPath,
        ['dist/client.js', 'apply-late', 'inc', fileName(1), '--reason', 'r', '--yes'],
        { env: { PATH: process.env['PATH'] ?? '', ...world.env }, stdio: 'ignore' },
      );
      await waiting(world);
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    assert.equal((await world.ledger()).length, 1);
    let patient: Promise<Printed> | undefined;
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      patient = type('apply-late', fileName(1), '--yes');
      await waiting(world);
    });
    assert.equal((await patient)?.status, 0);
    assert.equal((await world.ledger()).length, 2);
  });

  it('two at once apply it once', async () => {
    await arrangeLate();
    const both = await Promise.all([1, 2].map(() => type('apply-late', fileName(1), '--yes')));
    assert.ok(both.some(({ status }) => status === 0));
    assert.equal((await world.ledger()).filter(({ type }) => type === 'late').length, 1);
  });
});

/** Types apply-late of file 1 on a terminal of its own, and an answer. @returns the exit status */
async function onTerminal(world: World, answer: string): Promise<number | null> {
  const command = `${process.execPath} --import tsx src/client.ts apply-late inc ${fileName(1)} --reason because`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...world.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
    if (said.endsWith('[y/N] ') || /\[y\/N\] \S*$/.test(said)) child.stdin.write(answer);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return status;
}

/** Waits until somebody waits for a lock. */
async function waiting(world: World): Promise<void> {
  const waits = `select from pg_locks l join pg_stat_activity a using (pid)
    where not l.granted and a.datname = current_database()`;
  await until('somebody waits', async () => (await world.deps.pool.query(waits)).length > 0);
}
