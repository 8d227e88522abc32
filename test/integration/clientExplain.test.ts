import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile, incLine, type Cells } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const T = (cells: Cells = {}): Cells => ({ ticket_id: 'T', ...cells });
const other: Cells = { ticket_id: 'other' };

interface Explanation {
  readonly filesRead: number;
  readonly rows: {
    key: string;
    as: string;
    at: string;
    line: number;
    deed: string;
    would: string | null;
    reason: string | null;
    column: string | null;
  }[];
  readonly unread: { key: string; why: string; line: number | null }[];
  readonly adopted: string[];
  readonly stored: { sourceKey: string; sourceLine: number } | null;
  readonly agrees: boolean | null;
}

describe('tidemark explain', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld([{ ...inc, latePolicy: 'apply', maxRejects: 1 }]);
  });
  afterEach(() => world.close());

  async function explain(ticket = 'T'): Promise<Explanation> {
    const { status, stdout, stderr } = await world.client('explain', 'inc', ticket, '--json');
    assert.deepEqual([status, stderr], [0, '']);
    return JSON.parse(stdout) as Explanation;
  }

  const told = ({ rows }: Explanation): unknown[] =>
    rows.map(({ key, line, as, deed }) => [key, line, as, deed]);

  it('tells each row by file and line, and what the load did with it', async () => {
    const at = (day: number): Cells => ({ updated_at: `2026-02-0${day} 10:00:00` });
    await world.put(fileName(1), incFile([other, T(at(2))]));
    await world.put(
      fileName(3),
      incFile([T({ ...at(2), priority: 'P1' }), other, T({ ...at(3), priority: 'P2' })]),
    );
    await world.put(fileName(4), incFile([{ ...other, title: 'about T' }]));
    await world.put(fileName(5), incFile([T({ ...at(3), priority: 'P2' })]));
    await world.put(fileName(6), incFile([T({ is_alarm: 'true' }), T({ mttr: 'hushhush' })]));
    await world.run();
    await world.put(fileName(2), incFile([T({ ...at(1), priority: 'P0' })]));
    await world.run();
    const explanation = await explain();
    assert.deepEqual(told(explanation), [
      [full(1), 3, 'baseline', 'inserted'],
      [full(3), 2, 'delta', 'superseded'],
      [full(3), 4, 'delta', 'updated'],
      [full(5), 2, 'delta', 'unchanged'],
      [full(6), 2, 'delta', 'alarm'],
      [full(6), 3, 'delta', 'rejected'],
      [full(2), 2, 'late', 'stale'],
    ]);
    const [rejected] = explanation.rows.filter(({ deed }) => deed === 'rejected');
    assert.deepEqual([rejected?.reason, rejected?.column], ['not a decimal number', 'mttr']);
    assert.ok(explanation.rows.every(({ at: place }) => place.startsWith(inc.processedPrefix)));
    const { stored, agrees, filesRead, unread } = explanation;
    assert.deepEqual(
      [stored?.sourceKey, stored?.sourceLine, agrees, filesRead, unread],
      [full(3), 4, true, 6, []],
    );
    const { stdout } = await world.client('explain', 'inc', ' T ');
    assert.match(stdout, /^T in inc, 6 files looked through\nFILE +LINE /);
    assert.match(stdout, /03-00\.csv +4 +delta +updated +2\d{3}-.*automations\/inc\/processed\/\n/);
    assert.match(stdout, /rejected: mttr is not a decimal number/);
    assert.match(stdout, /stored row: of 2026-03-01T00-03-00\.csv line 4, loaded at 2/);
  });

  it('tells rows of files that are not applied: skipped, refused, pending, and uploaded again', async () => {
    // As the client defines it: what another definition refused is no failure any more.
    Object.assign(world.deps, { datasets: [inc] });
    await world.put(fileName(1), incFile([T()]));
    await world.put(fileName(2), incFile([T({ mttr: 'x' }), T({ mttr: 'y' }), T()]));
    await assert.rejects(world.run());
    const refused = await explain();
    assert.deepEqual(told(refused).slice(1), [
      [full(2), 2, 'failed', 'not applied'],
      [full(2), 3, 'failed', 'not applied'],
      [full(2), 4, 'failed', 'not applied'],
    ]);
    assert.deepEqual(
      refused.rows.map(({ would }) => would),
      [null, 'rejected', 'rejected', 'merged'],
    );
    await world.client('skip', 'inc', fileName(2), '--reason', 'r');
    await world.put(fileName(3), incFile([other, T()]));
    await world.put(fileName(1), incFile([T({ priority: 'again' })]));
    assert.deepEqual(told(await explain()), [
      [full(1), 2, 'baseline', 'inserted'],
      [full(2), 2, 'skipped', 'skipped'],
      [full(2), 3, 'skipped', 'skipped'],
      [full(2), 4, 'skipped', 'skipped'],
      [full(1), 2, 'changed', 'not applied'],
      [full(3), 3, 'pending', 'not applied'],
    ]);
  });

  it('finds an id in quotes, across chunks, and not as a part of another; a large file too', async () => {
    const odd = 'A "B", é';
    const filler = Array.from({ length: 6_000 }, (_unused, n) => ({ ticket_id: `filler-${n}` }));
    await world.putAndLoad(fileName(1), incFile([...filler, { ticket_id: odd }, { ticket_id: `${odd}!` }]));
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'filler-59' }]));
    assert.deepEqual(told(await explain(odd)), [[full(1), 6_002, 'baseline', 'inserted']]);
    assert.deepEqual(told(await explain('filler-59')), [
      [full(1), 61, 'baseline', 'inserted'],
      [full(2), 2, 'delta', 'unchanged'],
    ]);
    assert.deepEqual(told(await explain('filler')), []);
  });

  it('says which objects are gone or have other bytes, and goes on', async () => {
    for (const n of [1, 2, 3, 4]) await world.put(fileName(n), incFile([T({ priority: `P${n}` })]));
    await world.run();
    await world.remove(inc.processedPrefix + fileName(1));
    await world.put(inc.processedPrefix + fileName(2), incFile([T({ priority: 'forged' })]));
    await world.put(fileName(5), `${incFile([T()])}"open`);
    const explanation = await explain();
    assert.deepEqual(explanation.unread, [
      { key: full(1), why: 'gone', line: null },
      { key: full(2), why: 'altered', line: null },
      { key: full(5), why: 'malformed', line: 3 },
    ]);
    assert.deepEqual(told(explanation), [
      [full(3), 2, 'delta', 'inserted'],
      [full(4), 2, 'delta', 'updated'],
      [full(5), 2, 'pending', 'not applied'],
    ]);
    assert.equal(explanation.agrees, null);
  });

  it('says where the stored row is another than the files lead to, and what was adopted', async () => {
    await world.putAndLoad(fileName(1), incFile([T()]));
    await world.putAndLoad(fileName(2), incFile([T({ priority: 'P2' })]));
    await world.db.query(`update tickets.inc set source_key = $1`, [full(1)]);
    assert.equal((await explain()).agrees, false);
    const { stdout } = await world.client('explain', 'inc', 'T');
    assert.match(stdout, /lead to another row than the stored one: .* tidemark verify inc\n/);
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       values ('inc', $1, 'adopted', jsonb_build_object('source_max_key', $1::text))`,
      [full(2)],
    );
    const adopted = await explain();
    assert.deepEqual([adopted.agrees, adopted.adopted], [null, [full(2)]]);
  });

  it('a ticket that is nowhere, an id that none can have, an id that a terminal would obey', async () => {
    await world.putAndLoad(fileName(1), incFile([other]));
    const { rows, stored, agrees } = await explain('nobody');
    assert.deepEqual([rows, stored, agrees], [[], null, true]);
    const long = await world.client('explain', 'inc', 'x'.repeat(1_001));
    assert.deepEqual([long.status, long.stdout], [1, '']);
    const { stdout } = await world.client('explain', 'inc', 'a\u001b[31m\nb');
    assert.match(stdout, /^a\\u001b\[31m\\nb in inc, 1 file looked through\n/);
  });

  it('explain, verify and doctor have help with an example; an unknown dataset is told', async () => {
    for (const verb of ['explain', 'verify', 'doctor']) {
      const { status, stdout } = await world.client(verb, '--help');
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`Example:\\n {2}\\$ tidemark ${verb}`));
    }
    for (const args of [
      ['explain', 'nope', 'T'],
      ['verify', 'nope'],
    ]) {
      const { status, stderr } = await world.client(...args);
      assert.equal(status, 1);
      assert.match(stderr, /^tidemark: there is no dataset nope; known: .*\binc\b.*\n$/);
    }
  });

  it('a row cut short is told by its first field', async () => {
    await world.putAndLoad(fileName(1), `${incFile([other])}T\n${incLine(T())}\n`);
    assert.deepEqual(told(await explain()), [
      [full(1), 3, 'baseline', 'rejected'],
      [full(1), 4, 'baseline', 'inserted'],
    ]);
  });
});
