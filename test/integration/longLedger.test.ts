import assert from 'node:assert/strict';
import { limitsOf, SET_LOAD_LIMITS } from '../../src/postgres/limits.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

/** A node of a plan, as `explain (analyze, buffers, format json)` has it. */
interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Loops': number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Node[];
}

const LONG = 20_000;

describe('plans that a connection keeps', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    // One connection, so that all loads go by the plans that it keeps.
    await world.limitPool(1);
  });
  afterEach(() => world.close());

  /** Loads the nth small file of three tickets, all of them new. */
  async function load(n: number): Promise<void> {
    const rows = [0, 1, 2].map((i) => ({ ticket_id: `T${3 * n + i}` }));
    const { results } = await world.loadSmall(await world.put(fileName(n), incFile(rows)));
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['applied'],
    );
  }

  /** Lets ledger and table grow at once: half of the deeds are another dataset's, and the newest. */
  async function grow(): Promise<void> {
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, rows_read, rows_inserted, metadata)
       select case when n <= ${LONG / 2} then 'inc' else 'crq' end, 'automations/x/' || n, 'delta', 2, 2,
         jsonb_build_object('source_max_key', 'automations/0/' || n, 'etag', md5(n::text), 'rows_stored', n, 'more', repeat('x', 200))
       from generate_series(1, ${LONG}) n`,
    );
    await world.db.query(
      `insert into tickets.inc (ticket_id, title, source_key, source_line, loaded_at)
       select 'X' || n, repeat('x', 300), 'k', 1, now() from generate_series(1, ${LONG}) n`,
    );
  }

  /** How the connection's newest statement with these words goes. */
  async function planOf(words: string, args: string): Promise<readonly Node[]> {
    return world.deps.pool.withSession(undefined, async (session) => {
      const [found] = await session.query<{ name: string }>(
        `select name from pg_prepared_statements where statement like '%' || $1 || '%'
         order by prepare_time desc limit 1`,
        [words],
      );
      assert.ok(found, words);
      await session.query('begin');
      // As in a load: they decide which plan is kept, and how one is made.
      await session.query(SET_LOAD_LIMITS, limitsOf('none'));
      const [row] = await session.query<{ 'QUERY PLAN': readonly { readonly Plan: Node }[] }>(
        `explain (analyze, buffers, format json) execute ${found.name}(${args})`,
      );
      await session.query('rollback');
      const flat = (node: Node): readonly Node[] => [node, ...(node.Plans ?? []).flatMap(flat)];
      return (row?.['QUERY PLAN'] ?? []).flatMap(({ Plan }) => flat(Plan));
    });
  }

  const blocks = (nodes: readonly Node[]): number =>
    (nodes[0]?.['Shared Hit Blocks'] ?? 0) + (nodes[0]?.['Shared Read Blocks'] ?? 0);
  const wholly = (nodes: readonly Node[], table: string): readonly string[] =>
    nodes
      .filter((node) => node['Relation Name'] === table && node['Actual Loops'] > 0)
      .filter((node) => /Seq Scan|Bitmap/.test(node['Node Type']))
      .map((node) => node['Node Type']);

  for (const [what, before] of [
    ['never looked at', ''],
    ['looked at by the planner while nearly empty', 'analyze'],
  ] as const)
    it(`are not those of an empty ledger and table, ${what}: a load reads a few pages of each`, async () => {
      await load(1);
      if (before) await world.db.query(before);
      // More often than the planner makes a plan anew before it keeps one.
      for (let n = 2; n <= 8; n++) await load(n);
      await grow();
      // The first tells the connection how large they are.
      for (let n = 9; n <= 17; n++) await load(n);
      for (const dataset of ['inc', 'crq']) {
        const fence = await planOf(
          '"ledgerVersion"',
          `'${dataset}', 'automations/${dataset}/changes/9', 'e'`,
        );
        assert.deepEqual(wholly(fence, 'import_meta'), []);
        assert.ok(blocks(fence) < 60, `${dataset}: ${blocks(fence)} blocks for the fence`);
        assert.ok(fence.some((node) => node['Index Name'] === 'import_meta_last'));
      }
      const merge = await planOf('with deeds as', `'k'`);
      assert.deepEqual(wholly(merge, 'inc'), []);
      const zeros = Array.from({ length: 7 }, () => 0).join();
      const deed = `'inc', 'k', 'delta', 100, 100, ${zeros}, '{"source_max_key":"k"}', 100, 'tickets.inc', 200`;
      const write = await planOf('insert into tickets.import_meta', deed);
      assert.deepEqual(wholly(write, 'import_meta'), []);
      assert.ok(blocks(write) < 60, `${blocks(write)} blocks for the ledger`);
    });

  it('made for a few deeds, take the last one from an index: nothing is read whole and sorted', async () => {
    await load(1);
    await world.db.query('vacuum analyze tickets.import_meta');
    for (let n = 2; n <= 8; n++) await load(n);
    const fence = await planOf('"ledgerVersion"', `'inc', 'automations/inc/changes/9', 'e'`);
    const names = fence.flatMap((node) => node['Index Name'] ?? []);
    assert.deepEqual(
      ['import_meta_last', 'import_meta_watermark'].filter((name) => !names.includes(name)),
      [],
    );
    assert.ok(!fence.some((node) => node['Node Type'].includes('Sort')));
  });

  it('the ledger carries the rows of the table on, behind a deed that does not say them too', async () => {
    const stored = async (): Promise<unknown> => (await world.ledger()).at(-1)?.metadata['rows_stored'];
    await load(1);
    assert.equal(await stored(), 3);
    await load(2);
    assert.equal(await stored(), 6);
    // A skip.
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type) values ('inc', 'k', 'skipped')`,
    );
    await load(3);
    assert.equal(await stored(), 9);
  });
});
