import assert from 'node:assert/strict';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { startStack, type Stack } from '../../dev/embedded.ts';
import type { Column } from '../../src/datasets/dataset.ts';
import { readZoneHistory } from '../../src/postgres/zoneHistory.ts';
import { readChangeFile } from '../../src/rows/readFile.ts';
import { stagingColumns } from '../../src/rows/stagingColumns.ts';
import type { ZoneHistory } from '../../src/rows/zone.ts';
import { goodValue } from '../support/arbitraryFile.ts';
import { naiveDouble, naiveReading, type NaiveRow } from '../support/naiveReading.ts';
import { fileText, specimen } from '../support/reading.ts';

const names = Object.keys(specimen.columns);
/** What COPY's binary format begins and ends with. */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = Buffer.from([0xff, 0xff]);

describe('COPY in binary of what the checks let through', function () {
  this.timeout(120_000);
  let stack: Stack;
  let client: Client;
  let zone: ZoneHistory;

  before(async () => {
    stack = await startStack({ servers: ['postgres'] });
    client = new Client({ connectionString: stack.env['DATABASE_URL'] });
    await client.connect();
    await client.query(`set time zone 'Africa/Nairobi'`);
    const columns = Object.entries(specimen.columns).map(([name, { type }]) => `"${name}" ${type}`);
    zone = await readZoneHistory({
      query: async <Row extends object>(text: string) => (await client.query<Row>(text)).rows,
    });
    await client.query(`create temporary table staged (${columns.join(', ')}, source_line bigint)`);
  });

  after(async () => {
    await client?.end();
    await stack?.stop();
  });

  /** Reads the file and copies its rows into the empty table. */
  async function copy(file: string): Promise<void> {
    const blocks: Buffer[] = [];
    const sink = { write: async (block: Buffer) => void blocks.push(Buffer.from(block)) };
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.from(file);
    }
    const reading = await readChangeFile({
      key: 'changes.csv',
      dataset: specimen,
      zone,
      chunks: chunks(),
      sink,
    });
    assert.deepEqual(reading.rejects, []);
    await client.query('truncate staged');
    await pipeline(
      [SIGNATURE, ...blocks, TRAILER],
      client.query(
        copyFrom(`copy staged (${stagingColumns(specimen).join(', ')}) from stdin with (format binary)`),
      ),
    );
  }

  /** Reads the file, copies its rows and gives what PostgreSQL then holds, in the naive reader's form. */
  async function staged(file: string): Promise<NaiveRow[]> {
    await copy(file);
    const cells = Object.entries(specimen.columns).map(
      ([name, column]) => `${canonical(name, column)} as "${name}"`,
    );
    const { rows } = await client.query<Record<string, string | null>>(
      `select ${cells.join(', ')}, source_line::text from staged order by staged.source_line`,
    );
    return rows.map((row) => ({
      ...row,
      latitude: row['latitude'] == null ? null : (naiveDouble(row['latitude']) ?? ''),
    }));
  }

  it('is accepted by PostgreSQL, and means there what the naive reader says', async () => {
    const cell = (column: Column) =>
      fc.oneof({ weight: 5, arbitrary: goodValue(column) }, { weight: 1, arbitrary: fc.constant('') });
    const row = fc.record(
      Object.fromEntries(
        names.map((name) => [
          name,
          name === 'ticket_id' ? fc.constantFrom('A', 'é\\') : cell(columnOf(name)),
        ]),
      ),
    );
    const rows = fc.array(row, { maxLength: 200, size: 'max' });
    const same = async (some: Record<string, string>[]) => {
      const file = fileText(specimen, some);
      assert.deepEqual(await staged(file), naiveReading(specimen, file).sent);
    };
    await fc.assert(fc.asyncProperty(rows, same), { seed: 20_260_622, numRuns: 60 });
  });

  it('is accepted at the edges of each type', async () => {
    const edges = {
      at: [
        '0001-01-01 00:00',
        '0001-01-01T00:00+15:59',
        '9999-12-31 23:59:59.999999999-15:59',
        '1908-05-01 00:00',
        '1936-12-31T23:59:59',
      ],
      week: ['0001-01-01', '9999-12-31', '9999-12-31T20:59:59.999999999Z'],
      latitude: [
        '5e-324',
        '-1.7976931348623157e308',
        '9'.repeat(308),
        `.${'0'.repeat(300)}1`,
        '0e-999',
        '-0',
      ],
      mttr: [
        '9'.repeat(400),
        `.${'9'.repeat(399)}`,
        `${'9'.repeat(395)}e+999`,
        `.${'9'.repeat(394)}e-999`,
        '-0',
        '5.',
        '+.5e-0',
      ],
    };
    const rows = Object.entries(edges).flatMap(([column, values]) =>
      values.map((value) => ({ ticket_id: 'A', [column]: value })),
    );
    await copy(fileText(specimen, rows));
    await assertCasts(rows);
  });

  it('is what a cast of the same text gives: times of every century, with and without an offset', async () => {
    const time = fc
      .tuple(
        fc.date({
          min: new Date('0001-01-02T00:00:00Z'),
          max: new Date('9999-12-30T00:00:00Z'),
          noInvalidDate: true,
        }),
        fc.constantFrom('', 'Z', '+00', '-00:30', '+03:00', '-1559', '+15:59'),
        fc.constantFrom('', '5', '1234567', '0000005', '9999995', '999999949', '99999995', '123456789'),
      )
      .map(([date, offset, fraction]) => {
        const text = date.toISOString().replace(/^[+-]00/, '');
        return text.replace(/\.(\d{3})Z$/, fraction === '' ? '.$1' : `.${fraction}`) + offset;
      });
    // Where Nairobi's clocks were changed, second by second.
    const changes = zone.changes
      .slice(1)
      .flatMap(({ from }) =>
        [-9001, -1801, -1, 0, 1, 1799, 1800, 9000].map((seconds) =>
          new Date(Date.UTC(2000, 0, 1) + (from + seconds) * 1000).toISOString().slice(0, 19),
        ),
      );
    const texts = [
      ...fc.sample(time, { numRuns: 3000, seed: 20_260_622 }),
      ...changes,
      '1900-01-01',
      '1970-01-01T00:00',
    ];
    const rows = texts.map((at) => ({ ticket_id: 'A', at: at.length === 10 ? `${at} 00:00:00` : at }));
    await copy(fileText(specimen, rows));
    await assertCasts(rows);
  });

  it('is what a cast of the same text gives: numbers, with all the digits that are kept', async () => {
    const numbers = fc.sample(goodValue(columnOf('mttr')), { numRuns: 3000, seed: 20_260_622 });
    const doubles = fc.sample(goodValue(columnOf('latitude')), { numRuns: 3000, seed: 20_260_622 });
    const rows = numbers.map((mttr, at) => ({ ticket_id: 'A', mttr, latitude: doubles[at] ?? '' }));
    await copy(fileText(specimen, rows));
    await assertCasts(rows);
  });

  /** Compares what is staged with PostgreSQL's own casts of the texts, to the last digit. */
  async function assertCasts(rows: readonly Readonly<Record<string, string>>[]): Promise<void> {
    for (const column of ['at', 'latitude', 'mttr']) {
      const { type } = columnOf(column);
      const { rows: different } = await client.query(
        `select t.text, t.text::${type}::text as cast, s."${column}"::text as staged
         from unnest($1::text[]) with ordinality t(text, line)
         join staged s on s.source_line = t.line + 1
         where t.text::${type}::text is distinct from s."${column}"::text`,
        [rows.map((row) => row[column] ?? null)],
      );
      assert.deepEqual(different, []);
    }
  }
});

function columnOf(name: string): Column {
  return specimen.columns[name] ?? { type: 'text' };
}

function canonical(name: string, { type }: Column): string {
  if (type === 'timestamptz') return `to_char("${name}" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  return type === 'numeric' ? `trim_scale("${name}")::text` : `"${name}"::text`;
}
