import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { HUSH } from '../support/hush.ts';
import { fileName, INC_COLUMNS, incFile, incLine, type Cells } from '../support/incFile.ts';
import { expectedTable, readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

const A: Cells = { ticket_id: 'A', created_at: '2026-02-01T10:00:00' };
const B: Cells = { ticket_id: 'B', mttr: '12.50', latitude: '-1.2921', is_major_incident: 'Yes' };
const HEADER = INC_COLUMNS.join(',');

/** Files that load: what they hold must be what the naive reader says. */
const LOADS: Record<string, string | Buffer> = {
  'a BOM': incFile([A, B], { bom: true }),
  CRLF: incFile([A, B], { eol: '\r\n' }),
  'CRLF in the header and LF in the rows': `${HEADER}\r\n${incLine(A)}\n${incLine(B)}\n`,
  'a header in another order': incFile([A, B], { columns: [...INC_COLUMNS].reverse() }),
  'an unknown column': incFile([A, B], { columns: ['extra', ...INC_COLUMNS] }),
  'a header only': incFile([]),
  'only alarms': incFile([
    { ...A, is_alarm: 'true' },
    { ...B, is_alarm: 'T' },
  ]),
  'the same ticket twice': incFile([A, B, { ...A, priority: 'last' }]),
  'quoted commas, quotes and newlines': incFile([{ ...A, title: 'a, "b"\nc\r\nd', description: '""' }]),
  'backslashes, tabs and COPY marks': incFile([
    { ...A, title: '\\.', description: '\\N', category: 'tab\there', county: '\\', vendor: '\\t\\n\\\\' },
    { ...B, title: '\\N\n\\.\n' },
  ]),
  '\\. alone on a line': `${HEADER}\n${incLine({ ...A, title: 'x\n\\.\ny' })}\n`,
  'emoji and accents': incFile([{ ...A, title: '🚨 Murang’a — naïve', county: 'Ki\u0301tui' }]),
  'a sentinel with one field': `${HEADER}\nEXPORT STOPPED at 34849\n${incLine(A)}\n`,
  'a sentinel with all fields': incFile([{ ticket_id: 'EXPORT STOPPED: limit' }, A]),
  'no newline at the end': incFile([A, B], { lastEol: false }),
  'blank lines': `${HEADER}\n\n${incLine(A)}\n\r\n   \n${incLine(B)}\n\n`,
  'naive and offset times': incFile([
    { ...A, updated_at: '2026-02-01 10:00:00.123456', resolved_at: '2026-02-01T07:00:00Z' },
    {
      ...B,
      updated_at: '2026-02-01T10:00:00+05:30',
      closed_at: '2026-02-01T10:00-0800',
      created_week: '2026-01-31T22:30:00Z',
    },
  ]),
  'blank-only values': incFile([
    {
      ...A,
      title: '   ',
      mttr: '  ',
      created_at: '\t',
      sla_breached: ' ',
      region: '  ',
      is_alarm: ' ',
      latitude: '\u00a0',
    },
  ]),
  'padded values': incFile([
    { ticket_id: '  A ', mttr: ' 1.5 ', region: ' north   EASTERN ', raw_status: 'in_progress' },
  ]),
  'unknown region and status': incFile([{ ...A, region: ' Atlantis  Deep', raw_status: 'on-fire' }]),
  'a field of 100,000 characters': incFile([{ ...A, description: 'ü'.repeat(100_000) }]),
  'an alarm with cells that cannot be read': incFile([
    { ...A, is_alarm: '1', mttr: HUSH, created_at: HUSH },
    B,
  ]),
};

/** Files that are refused: kind, line and column. */
const REFUSED: Record<string, [string | Buffer, string, number | undefined, string | undefined]> = {
  'an empty object': ['', 'MalformedFile', undefined, undefined],
  'blank lines alone': ['\n\r\n', 'MalformedFile', undefined, undefined],
  'a missing column': [
    incFile([A], { columns: INC_COLUMNS.filter((name) => name !== 'mttr') }),
    'SchemaMismatch',
    1,
    'mttr',
  ],
  'a column twice': [incFile([A], { columns: [...INC_COLUMNS, 'region'] }), 'SchemaMismatch', 1, 'region'],
  'a file without a header': [`${incLine(A)}\n${incLine(B)}\n`, 'SchemaMismatch', 1, undefined],
  'invalid UTF-8': [spoil(incFile([A, B]), `${HUSH} title`, 0xff), 'MalformedFile', 2, 'title'],
  'an overlong encoding': [spoil(incFile([A]), `${HUSH} county`, 0xc0), 'MalformedFile', 2, 'county'],
  'UTF-16': [Buffer.from(`\uFEFF${incFile([A])}`, 'utf16le'), 'MalformedFile', 1, undefined],
  'a NUL': [incFile([A, { ...B, vendor: `a\0${HUSH}` }]), 'MalformedFile', 3, 'vendor'],
  'a NUL in an alarm row': [incFile([{ ...A, is_alarm: 't', vendor: '\0' }]), 'MalformedFile', 2, 'vendor'],
  'a quote never closed': [
    `${HEADER}\n${incLine(A)}\nB,"${HUSH}\n${incLine(B)}\n`,
    'MalformedFile',
    3,
    undefined,
  ],
  'text after a closing quote': [`${HEADER}\nA,"${HUSH}"x,,\n`, 'MalformedFile', 2, 'title'],
  'a quote inside a field': [`${HEADER}\nA,${HUSH}"x,,\n`, 'MalformedFile', 2, 'title'],
  'a record over 1 MiB': [
    incFile([A, { ...B, description: 'x'.repeat(1_100_000) }]),
    'MalformedFile',
    3,
    undefined,
  ],
  'too few fields': [`${HEADER}\n${incLine(A)}\nB,${HUSH}\n`, 'RowsRejected', 3, undefined],
  'too many fields': [`${HEADER}\n${incLine(A)},${HUSH}\n`, 'RowsRejected', 2, undefined],
  'an empty ticket_id': [incFile([A, { ticket_id: ' ' }]), 'RowsRejected', 3, 'ticket_id'],
  'an over-long ticket_id': [
    incFile([{ ticket_id: `${HUSH}${'ü'.repeat(500)}` }]),
    'RowsRejected',
    2,
    'ticket_id',
  ],
  'an alarm flag that is no flag': [incFile([{ ...A, is_alarm: HUSH }]), 'RowsRejected', 2, 'is_alarm'],
  'a row after multi-line records, LF': [
    incFile([
      { ...A, title: 'a\nb\r\nc' },
      { ...B, mttr: HUSH },
    ]),
    'RowsRejected',
    5,
    'mttr',
  ],
  'a row after multi-line records, CRLF': [
    incFile(
      [
        { ...A, title: 'a\r\nb\r\nc' },
        { ...B, mttr: HUSH },
      ],
      { eol: '\r\n' },
    ),
    'RowsRejected',
    5,
    'mttr',
  ],
};

/** Values that PostgreSQL's casts would take and nobody meant. */
const UNMEANT: Record<string, readonly string[]> = {
  created_at: [
    'now',
    'infinity',
    '-infinity',
    'epoch',
    'today',
    'yesterday',
    '01/02/2026',
    '20260622',
    '20260622T100000',
    '2026-06-22T24:00:00',
    '2026-06-22 10:00:00 PST',
    '2026-06-22',
    '10:00',
    'J2459000',
    '2026-02-30T10:00:00',
    '2026-06-22T10:00:60',
    '0000-01-01T00:00:00',
    'June 22 2026',
  ],
  created_week: [
    'now',
    'infinity',
    'epoch',
    '01/02/2026',
    '20260622',
    '2026-W10',
    '2026-02-30',
    'tomorrow',
    'June 22 2026',
  ],
  latitude: ['NaN', 'infinity', '-inf', '0x1F', '1_000', '1,5', '1e999', '1e-400', '--1', '.'],
  mttr: ['NaN', 'infinity', '0x1F', '0b11', '1_000', '1,5', '1e99999', '$1', '12 h'],
  sla_breached: ['on', 'off', 'y', 'n', 'tr', 'fals', '2', 'TRUE!', 'null'],
};

describe('awkward input', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  for (const [what, body] of Object.entries(LOADS)) {
    it(`${what}: the table is what a naive reading says`, async () => {
      const key = await world.put(fileName(1), body);
      const result = await world.load(key);
      assert.equal(result.outcome, 'applied');
      assert.deepEqual(await readTable(world.db, inc), expectedTable(inc, [{ key, body }]));
    });
  }

  for (const [what, [body, kind, line, column]] of Object.entries(REFUSED)) {
    it(`${what}: ${kind}${line === undefined ? '' : ` at line ${line}`}${column ? `, column ${column}` : ''}; nothing is applied`, async () => {
      const failure = await refusal(world.putAndLoad(fileName(1), body));
      assert.deepEqual([failure.kind, failure.details.line], [kind, line]);
      if (column !== undefined) assert.equal(failure.details.column, column);
      assert.ok(!failure.message.includes(HUSH));
      await nothingApplied();
    });
  }

  it('each value that a bare cast would take is refused by line and column', async () => {
    const cases = Object.entries(UNMEANT).flatMap(([column, values]) =>
      values.map((value) => ({ column, value })),
    );
    const rows = cases.map(({ column, value }, i) => ({ ticket_id: `T${i}`, [column]: value }));
    const failure = await refusal(world.putAndLoad(fileName(1), incFile(rows)));
    assert.equal(failure.details.rejected, cases.length);
    const rejects = await world.db.query(
      `select line::int as line, column_name as column from tickets.import_rejects order by line`,
    );
    assert.deepEqual(
      rejects,
      cases.map(({ column }, i) => ({ line: i + 2, column })),
    );
    await nothingApplied();
  });

  it('rejected rows within the allowance are kept, counted, and the rest is applied', async () => {
    const lenient = await openWorld([{ ...inc, maxRejects: 1 }]);
    try {
      const result = await lenient.putAndLoad(fileName(1), incFile([A, { ...B, mttr: HUSH }]));
      assert.equal(result.outcome === 'applied' && result.counts.rejected, 1);
      assert.deepEqual([...(await readTable(lenient.db, inc)).keys()], ['A']);
      const rejects = await lenient.db.query<{ row_text: string }>(
        `select row_text from tickets.import_rejects`,
      );
      assert.match(rejects[0]?.row_text ?? '', /^B,/);
    } finally {
      await lenient.close();
    }
  });

  it('unknown columns and values are recorded in PostgreSQL', async () => {
    const rows = [{ ...A, region: 'Atlantis', extra: 'x' }];
    await world.putAndLoad(fileName(1), incFile(rows, { columns: ['extra', ...INC_COLUMNS] }));
    const [row] = await world.ledger();
    assert.deepEqual(row?.metadata['unknown_columns'], ['extra']);
    assert.deepEqual(row?.metadata['unknown_values'], { region: 1 });
  });

  it('source_line is the line on which each record begins', async () => {
    const body = incFile([{ ...A, title: 'a\nb' }, { ...B, title: 'c\r\nd' }, { ticket_id: 'C' }], {
      eol: '\r\n',
    });
    await world.putAndLoad(fileName(1), body);
    const rows = await world.db.query(
      `select ticket_id, source_line::int from tickets.inc order by ticket_id`,
    );
    assert.deepEqual(
      rows.map((row) => Object.values(row)),
      [
        ['A', 2],
        ['B', 4],
        ['C', 6],
      ],
    );
  });

  async function nothingApplied(): Promise<void> {
    assert.deepEqual(await world.ledger(), []);
    assert.equal((await readTable(world.db, inc)).size, 0);
    const failures = await world.db.query(`select from tickets.import_failures where resolved_at is null`);
    assert.equal(failures.length, 1);
  }
});

async function refusal(load: Promise<unknown>): Promise<TidemarkFailure> {
  const error: unknown = await load.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TidemarkFailure, `not refused: ${String(error)}`);
  return error;
}

/** The file with the first byte of a cell replaced. */
function spoil(text: string, cell: string, byte: number): Buffer {
  const bytes = Buffer.from(text);
  bytes[bytes.indexOf(cell)] = byte;
  return bytes;
}
