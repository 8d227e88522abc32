import assert from 'node:assert/strict';
import type { ColumnType } from '../../src/datasets/dataset.ts';
import { csvParseRecords } from '../../src/csv/csvParseRecords.ts';
import { eastOfUtc } from '../../src/rows/zone.ts';
import { BARE_CASTS } from '../support/arbitraryFile.ts';
import { naiveDecimal, naiveDouble } from '../support/naiveReading.ts';
import { fileText, outcomeOf, specimen } from '../support/reading.ts';

/** The specimen's column of each type. */
const COLUMNS = {
  timestamptz: 'at',
  date: 'week',
  'double precision': 'latitude',
  numeric: 'mttr',
  boolean: 'breached',
} as const satisfies Partial<Record<ColumnType, string>>;
const TYPES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];

/** The column's values as they were written, in the naive reader's form, one per given cell; all must be good. */
async function written(column: string, cells: readonly string[]): Promise<(string | null | undefined)[]> {
  const file = fileText(
    specimen,
    cells.map((cell) => ({ ticket_id: 'T', [column]: cell })),
  );
  const { rows, reading } = await outcomeOf(specimen, file);
  assert.deepEqual(reading?.rejects, []);
  return rows.map((row) => row[column]);
}

async function refused(column: string, cells: readonly string[]): Promise<unknown[]> {
  const file = fileText(
    specimen,
    cells.map((cell) => ({ ticket_id: 'T', [column]: cell })),
  );
  const { reading } = await outcomeOf(specimen, file);
  return (reading?.rejects ?? []).map((reject) => [reject.line, reject.column]);
}

for (const type of TYPES) {
  describe(`a ${type}`, () => {
    it('is not what a bare cast would take besides: each is refused, with line and column', async () => {
      const expected = BARE_CASTS[type].map((_, n) => [n + 2, COLUMNS[type]]);
      assert.deepEqual(await refused(COLUMNS[type], BARE_CASTS[type]), expected);
    });

    it('is NULL where it is blank', async () => {
      assert.deepEqual(await written(COLUMNS[type], ['', ' ', '\t\u00a0', '\u3000\n']), Array(4).fill(null));
    });
  });
}

describe('a time', () => {
  it('is the instant that it says, without the white space around it', async () => {
    const good = {
      '2026-06-22T10:00': '2026-06-22T07:00:00.000000Z',
      '2026-06-22 10:00:59': '2026-06-22T07:00:59.000000Z',
      '2026-06-22T10:00:00.1': '2026-06-22T07:00:00.100000Z',
      '2026-06-22T10:00:00.123456789': '2026-06-22T07:00:00.123457Z',
      '2026-06-22T10:00:00.0000005': '2026-06-22T07:00:00.000000Z',
      '2026-06-22T10:00:00.0000015': '2026-06-22T07:00:00.000002Z',
      '2026-06-22T10:00Z': '2026-06-22T10:00:00.000000Z',
      '2026-06-22 10:00+03': '2026-06-22T07:00:00.000000Z',
      '2026-06-22 10:00:00-0330': '2026-06-22T13:30:00.000000Z',
      '2026-06-22T10:00:00.5+05:45': '2026-06-22T04:15:00.500000Z',
      '2024-02-29 23:59': '2024-02-29T20:59:00.000000Z',
      '2000-02-29 00:00': '2000-02-28T21:00:00.000000Z',
      '1999-12-31T23:59:59.999999Z': '1999-12-31T23:59:59.999999Z',
      '0001-01-01 03:00': '0001-01-01T00:00:00.000000Z',
      '9999-12-31 23:59:59.999999': '9999-12-31T20:59:59.999999Z',
      '2026-06-22T10:00+15:59': '2026-06-21T18:01:00.000000Z',
      '2026-06-22T10:00-15': '2026-06-23T01:00:00.000000Z',
    };
    const cells = Object.keys(good).map((time) => `\u00a0${time} `);
    assert.deepEqual(await written('at', cells), Object.values(good));
  });

  it('without an offset is one of the zone, of which the server knows the history', () => {
    const zone = {
      changes: [
        { from: -2e9, east: 9000 },
        { from: -1.9e9, east: 9900 },
        { from: -1.8e9, east: 10_800 },
      ],
    };
    const east = [-3e9, -2e9, -1.95e9, -1.9e9, -1.8e9 - 1, -1.8e9, -1e9, 0, 1e9].map((local) =>
      eastOfUtc(zone, local),
    );
    assert.deepEqual(east, [9000, 9000, 9000, 9900, 9900, 10_800, 10_800, 10_800, 10_800]);
  });
});

describe('a date', () => {
  it('is the one that an instant has in Nairobi', async () => {
    const dates = {
      '2026-06-22': '2026-06-22',
      '2026-06-22T23:59': '2026-06-22',
      '2026-06-22 00:00:00.5': '2026-06-22',
      '2026-06-22T20:59:59Z': '2026-06-22',
      '2026-06-22T21:00Z': '2026-06-23',
      '2026-06-30T21:00Z': '2026-07-01',
      '2026-12-31T21:00Z': '2027-01-01',
      '2024-02-28T21:00Z': '2024-02-29',
      '2024-02-29T21:00Z': '2024-03-01',
      '2026-01-01T01:00+05': '2025-12-31',
      '2024-03-01T00:30+03:31': '2024-02-29',
      '2026-03-01T00:30+0331': '2026-02-28',
      '2026-06-22T08:59-15:59': '2026-06-23',
      '9999-12-31T20:59Z': '9999-12-31',
      '0001-01-01T00:00+03': '0001-01-01',
    };
    assert.deepEqual(await written('week', Object.keys(dates)), Object.values(dates));
  });
});

describe('a number', () => {
  const decimals = ['0', '-0', '+5', '5.', '.5', '-1.2868', '1e3', '1E-3', '0.1e+2', '007', '0e999'];

  it('is the number that it says', async () => {
    const values = ['0', '0', '5', '5', '0.5', '-1.2868', '1000', '0.001', '10', '7', '0'];
    assert.deepEqual(await written('mttr', decimals), values);
    assert.deepEqual(await written('latitude', decimals), values.map(Number).map(String));
    const far = ['1e999', '1e-999', '-12345.6789e4', '10000', '99999999.00010001'];
    assert.deepEqual(await written('mttr', far), far.map(naiveDecimal));
  });

  it('is at most 400 characters long', async () => {
    assert.equal((await written('mttr', ['1'.repeat(400)]))[0]?.length, 400);
    assert.deepEqual(await refused('mttr', ['1'.repeat(401)]), [[2, 'mttr']]);
  });

  it('of double precision is finite and not rounded to zero', async () => {
    const edges = ['1.7976931348623157e308', '5e-324', '-4.9e-324', '0.000e-999'];
    assert.deepEqual(await written('latitude', edges), edges.map(naiveDouble));
    assert.deepEqual(await refused('latitude', ['1.7976931348623159e308', '1e-325']), [
      [2, 'latitude'],
      [3, 'latitude'],
    ]);
  });

  it('that is invalid becomes NULL in a column that allows it, and is counted', async () => {
    const { reading, rows } = await outcomeOf(
      specimen,
      fileText(specimen, [{ ticket_id: 'T', hours: 'n/a' }]),
    );
    assert.deepEqual([rows[0]?.['hours'], reading?.nulled], [null, { hours: 1 }]);
  });
});

describe('a flag', () => {
  it('is one of eight words in any case', async () => {
    const words = ['true', 'T', '1', 'Yes', 'FALSE', 'f', '0', ' no '];
    assert.deepEqual(await written('breached', words), [...Array(4).fill('true'), ...Array(4).fill('false')]);
  });
});

describe('a primary key', () => {
  it('is trimmed, of all white space of ECMAScript and no byte more', async () => {
    assert.deepEqual(await written('ticket_id', [' A ', '\u00a0à\u3000', '\ufeffB\t', 'c\u0085']), [
      'A',
      'à',
      'B',
      'c\u0085',
    ]);
  });

  it('has 1 to 1,000 bytes', async () => {
    assert.equal((await written('ticket_id', ['é'.repeat(500)]))[0]?.length, 500);
    assert.deepEqual(await refused('ticket_id', ['', ' ', 'é'.repeat(501)]), [
      [2, 'ticket_id'],
      [3, 'ticket_id'],
      [4, 'ticket_id'],
    ]);
  });
});

describe('a text', () => {
  const titles = Array.from(
    { length: 3_000 },
    (_, n) => String.fromCodePoint(0x61 + (n % 26)).repeat(n % 300) + '🌍'.repeat(n % 7),
  );
  const rows = titles.map((title, n) => ({ ticket_id: `T${n}`, title }));
  for (const [what, options] of [
    ['the scanner', {}],
    ['csv-parse', { records: csvParseRecords }],
  ] as const) {
    it(`of any length is written as it is, wherever its bytes lie, as ${what} cuts records`, async () => {
      const outcome = await outcomeOf(specimen, fileText(specimen, rows), options);
      assert.ok(outcome.blocks.length > 1);
      assert.deepEqual(
        outcome.rows.map((row) => row['title'] ?? ''),
        titles,
      );
    });
  }
});

describe('a canonical text', () => {
  it('is matched without case and with its white space collapsed', async () => {
    const cells = ['NAIROBI', ' rift\u00a0\n valley ', 'rift_valley', '  '];
    assert.deepEqual(await written('region', cells), ['Nairobi', 'Rift Valley', 'rift_valley', null]);
  });

  it('takes _ and - for white space where the column says so', async () => {
    const cells = ['in_progress', 'IN-PROGRESS', '_in - progress', 'open', 'in.progress'];
    assert.deepEqual(await written('status', cells), [
      'In Progress',
      'In Progress',
      'In Progress',
      'Open',
      'in.progress',
    ]);
  });

  it('that is unknown is kept, trimmed and collapsed, and counted', async () => {
    const cells = ['  wait_for   parts ', 'wait_for parts', '___', 'open'];
    const file = fileText(
      specimen,
      cells.map((status) => ({ ticket_id: 'T', status })),
    );
    const { reading, rows } = await outcomeOf(specimen, file);
    assert.deepEqual(
      rows.map((row) => row['status']),
      ['wait_for parts', 'wait_for parts', '___', 'Open'],
    );
    assert.deepEqual(reading?.unknownValues, { status: 3 });
  });

  it('in more spellings than are remembered, known ones among them, is the same in every file', async () => {
    const cells = Array.from({ length: 10_000 }, (_, n) => (n % 5 === 0 ? ' OPEN ' : `status${n % 6_000}`));
    const right = cells.map((cell) => (cell === ' OPEN ' ? 'Open' : cell));
    for (let file = 1; file <= 2; file += 1) assert.deepEqual(await written('status', cells), right);
  });

  it('of a rejected row is not counted', async () => {
    const { reading } = await outcomeOf(
      specimen,
      fileText(specimen, [{ ticket_id: 'T', status: 'odd', mttr: 'x' }]),
    );
    assert.deepEqual(reading?.unknownValues, {});
  });
});

describe('of a row with several bad cells', () => {
  it('the first in the order of the dataset is told', async () => {
    const { reading } = await outcomeOf(
      specimen,
      fileText(specimen, [{ ticket_id: 'T', mttr: 'x', week: 'y' }]),
    );
    assert.deepEqual(
      reading?.rejects.map(({ column, reason }) => [column, reason]),
      [['week', 'not a date in ISO 8601']],
    );
  });
});
