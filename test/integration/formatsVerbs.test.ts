import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { inc } from '../../src/datasets/inc.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { zstd } from '../support/packing.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const at = (hour: number): string => `2026-03-01T${String(hour).padStart(2, '0')}:00:00Z`;
const row = (id: string, title: string, hour: number): Record<string, string> => ({
  ticket_id: id,
  title,
  updated_at: at(hour),
});
const gzip = (text: string): Promise<Buffer> => Promise.resolve(gzipSync(text));
const zst = (text: string): Promise<Buffer> => zstd(Buffer.from(text));

for (const [ending, pack] of [
  ['gz', gzip],
  ['zst', zst],
] as const)
  describe(`verbs on files that are packed as .csv.${ending}`, function () {
    this.timeout(60_000);
    let world: World;
    beforeEach(async () => {
      world = await openWorld();
    });
    afterEach(() => world.close());

    const name = (n: number): string => `${fileName(n)}.${ending}`;

    async function put(n: number, ...rows: Record<string, string>[]): Promise<string> {
      return world.put(name(n), await pack(incFile(rows)));
    }

    async function type(verb: string, n: number): Promise<Printed> {
      const printed = await world.client(verb, 'inc', name(n), '--reason', 'because', '--yes');
      assert.deepEqual([printed.status, printed.stderr], [0, '']);
      return printed;
    }

    async function titles(): Promise<string[]> {
      const rows = await world.db.query<{ title: string }>(
        'select title from tickets.inc order by ticket_id',
      );
      return rows.map(({ title }) => title);
    }

    it('plan --scan reads and merges them, keeps nothing, and names the line that is refused', async () => {
      await put(1, row('A', 'one', 1), row('B', 'two', 1));
      await put(2, row('A', 'other', 2), { ...row('B', 'two', 2), updated_at: 'soon' });
      const { status, stdout } = await world.client('plan', 'inc', '--scan', '--json');
      const { scan } = JSON.parse(stdout) as {
        scan: { counts: { inserted: number } | null; rejects: object[] }[];
      };
      assert.equal(status, 1);
      assert.deepEqual(
        scan.map(({ counts, rejects }) => [counts?.inserted, rejects.length]),
        [
          [2, 0],
          [undefined, 1],
        ],
      );
      assert.deepEqual(await titles(), []);
    });

    it('apply-late takes a late one, in which newer rows win, and archives it', async () => {
      await put(3, row('A', 'stored', 5), row('B', 'stored', 5));
      await world.run();
      await put(1, row('A', 'late', 4), row('B', 'late', 6));
      const { stdout } = await type('apply-late', 1);
      assert.match(stdout, /applied as late\nrows: read 2, inserted 0, updated 1, unchanged 0, stale 1/);
      assert.deepEqual(await titles(), ['stored', 'late']);
      assert.deepEqual(
        await world.keys(),
        [1, 3].map((n) => inc.processedPrefix + name(n)),
      );
    });

    it('reload takes an archived one, a changed one, and the changed one once it is archived beside the other', async () => {
      await put(1, row('A', 'first', 1));
      await world.run();
      await world.db.query(`update tickets.inc set title = 'by hand'`);
      await type('reload', 1);
      assert.deepEqual(await titles(), ['first']);
      await put(1, row('A', 'second', 2));
      await type('reload', 1);
      assert.deepEqual(await titles(), ['second']);
      assert.deepEqual(await world.keys(inc.changesPrefix), []);
      assert.equal((await world.keys(inc.processedPrefix)).length, 2);
      await world.db.query(`update tickets.inc set title = 'by hand'`);
      await type('reload', 1);
      assert.deepEqual(await titles(), ['second']);
    });

    it('verify reads them from the archive, and finds what was written by hand', async () => {
      await put(1, row('A', 'first', 1), row('B', 'first', 1));
      await put(2, row('A', 'second', 2));
      await world.run();
      const right = await world.client('verify', 'inc');
      assert.deepEqual([right.status, right.stderr], [0, '']);
      await world.db.query(`update tickets.inc set title = 'by hand' where ticket_id = 'A'`);
      const wrong = await world.client('verify', 'inc', '--json');
      const { rows } = JSON.parse(wrong.stdout) as { rows: { key: string; line: number }[] };
      assert.equal(wrong.status, 1);
      assert.equal(rows.length, 1, wrong.stdout);
    });
  });
