import assert from 'node:assert/strict';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { startStack, type Stack } from '../../dev/embedded.ts';
import type { Column } from '../../src/datasets/dataset.ts';
import { stagingColumns } from '../../src/rows/stagingColumns.ts';
import { goodValue } from '../support/arbitraryFile.ts';
import { naiveDouble, naiveReading, type NaiveRow } from '../support/naiveReading.ts';
import { fileText, outcomeOf, specimen } from '../support/reading.ts';

const names = Object.keys(specimen.columns);

describe('COPY of what the checks let through', function () {
  this.timeout(120_000);
  let stack: Stack;
  let client: Client;

  before(async () => {
    stack = await startStack({ servers: ['postgres'] });
    client = new Client({ connectionString: stack.env['DATABASE_URL'] });
    await client.connect();
    await client.query(`set time zone 'Africa/Nairobi'`);
    const columns = Object.entries(specimen.columns).map(([name, { type }]) => `"${name}" ${type}`);
    await client.query(`create temporary table staged (${columns.join(', ')}, source_line bigint)`);
  });

  after(async () => {
    await client?.end();
    await stack?.stop();
  });

  /** Reads the file, copies its rows and gives what PostgreSQL then holds, in the naive reader's form. */
  async function staged(file: string): Promise<NaiveRow[]> {
    const { blocks, reading } = await outcomeOf(specimen, file);
    assert.deepEqual(reading?.rejects, []);
    await client.query('truncate staged');
    await pipeline(
      blocks,
      client.query(copyFrom(`copy staged (${stagingColumns(specimen).join(', ')}) from stdin`)),
    );
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
    assert.equal((await staged(fileText(specimen, rows))).length, rows.length);
  });
});

function columnOf(name: string): Column {
  return specimen.columns[name] ?? { type: 'text' };
}

function canonical(name: string, { type }: Column): string {
  if (type === 'timestamptz') return `to_char("${name}" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  return type === 'numeric' ? `trim_scale("${name}")::text` : `"${name}"::text`;
}
