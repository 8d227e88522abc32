import assert from 'node:assert/strict';
import { readChangeFile } from '../../src/rows/readFile.ts';
import { fileColumns, fileText, NAIROBI, type Outcome, outcomeOf, specimen } from '../support/reading.ts';

const header = fileColumns(specimen).join(',');
const tail = ','.repeat(9);
const place = ({ failure }: Outcome) => [
  failure?.kind,
  failure?.details.line,
  failure?.details.column,
  failure?.details.code,
];

async function placeIn(file: string | Buffer): Promise<unknown[]> {
  return place(await outcomeOf(specimen, file));
}

/** A file whose second row has these bytes as its title. */
function titled(...bytes: number[]): Buffer {
  return Buffer.concat([
    Buffer.from(`${header}\nA,b${tail},\nB,x`),
    Buffer.from(bytes),
    Buffer.from(`y${tail},\n`),
  ]);
}

describe('the line of a record', () => {
  for (const newline of ['\n', '\r\n']) {
    it(`is the one where it begins, after records of many lines ending in ${JSON.stringify(newline)}`, async () => {
      const rows = [
        { ticket_id: 'A', title: `one${newline}two${newline}${newline}four` },
        { ticket_id: 'B' },
        { ticket_id: 'C', title: '\r\n\n' },
        { ticket_id: 'D', title: '\r' },
        { ticket_id: 'E' },
      ];
      const { rows: read } = await outcomeOf(specimen, fileText(specimen, rows, newline));
      assert.deepEqual(
        read.map((row) => row['source_line']),
        ['2', '6', '7', '10', '11'],
      );
    });
  }
});

describe('a quote', () => {
  it('inside an unquoted field is told with line and column', async () => {
    assert.deepEqual(await placeIn(`${header}\nA,b"c${tail},\n`), [
      'MalformedFile',
      2,
      'title',
      'INVALID_OPENING_QUOTE',
    ]);
  });

  it('followed by more of the field is told with line and column', async () => {
    assert.deepEqual(await placeIn(`${header}\nA,"b"c${tail},\n`), [
      'MalformedFile',
      2,
      'title',
      'CSV_INVALID_CLOSING_QUOTE',
    ]);
  });

  it('followed by a carriage return alone is told too', async () => {
    assert.deepEqual(await placeIn(`${header}\nA,"b"\r`), [
      'MalformedFile',
      2,
      'title',
      'CSV_INVALID_CLOSING_QUOTE',
    ]);
  });

  it('that is never closed is told where its record begins', async () => {
    const file = `${header}\nA,b${tail},\n\nB,"c${tail},\nC,d${tail},\n`;
    assert.deepEqual(await placeIn(file), ['MalformedFile', 4, 'title', 'CSV_QUOTE_NOT_CLOSED']);
  });

  it('in the header is told with the ordinal of the column', async () => {
    assert.deepEqual(await placeIn(`ticket_id,ti"tle\n`), [
      'MalformedFile',
      1,
      '#2',
      'INVALID_OPENING_QUOTE',
    ]);
  });

  it('in a field beyond the header is told with its ordinal', async () => {
    assert.deepEqual(await placeIn(`${header}\n${','.repeat(12)}x"\n`), [
      'MalformedFile',
      2,
      '#13',
      'INVALID_OPENING_QUOTE',
    ]);
  });
});

describe('bytes that are no UTF-8', () => {
  const kinds = {
    'a byte that begins nothing': [0xff],
    'a continuation alone': [0x80],
    'a character cut short': [0xe2, 0x82],
    'an overlong form': [0xc0, 0xaf],
    'a surrogate': [0xed, 0xa0, 0x80],
    'a code point too high': [0xf4, 0x90, 0x80, 0x80],
  };
  for (const [name, bytes] of Object.entries(kinds)) {
    it(`are told with line and column: ${name}, at every cut`, async () => {
      const file = titled(...bytes);
      for (let at = file.indexOf('B,x'); at <= file.length; at += 1) {
        assert.deepEqual(place(await outcomeOf(specimen, file, { cuts: [at] })), [
          'MalformedFile',
          3,
          'title',
          'UTF8',
        ]);
      }
    });
  }

  it('are told at the end of the file', async () => {
    const file = Buffer.concat([Buffer.from(`${header}\nA,b`), Buffer.from([0xf0, 0x9f, 0x98])]);
    assert.deepEqual(await placeIn(file), ['MalformedFile', 2, 'title', 'UTF8']);
  });

  it('are told in the header by the ordinal of the column', async () => {
    assert.deepEqual(await placeIn(Buffer.from('ticket_id,t\xeftle\n', 'latin1')), [
      'MalformedFile',
      1,
      '#2',
      'UTF8',
    ]);
  });

  it('are told in an alarm, in a dropped column and by the ordinal of an unknown one', async () => {
    const alarm = Buffer.from(`${header},more\nA${tail},true,\xff,\n`, 'latin1');
    assert.deepEqual(await placeIn(alarm), ['MalformedFile', 2, 'source', 'UTF8']);
    const unknown = Buffer.from(`${header},more\nA${tail},true,,\xff\n`, 'latin1');
    assert.deepEqual(await placeIn(unknown), ['MalformedFile', 2, '#13', 'UTF8']);
  });

  it('do not fail a file whose rows before them fail it', async () => {
    const { reading } = await outcomeOf(specimen, Buffer.from(`${header}\nreject\nA\xff\n`, 'latin1'));
    assert.deepEqual([reading?.rejected, reading?.malformed?.details.line], [1, 3]);
  });

  it('are not seen in characters that a chunk divides', async () => {
    const file = Buffer.from(fileText(specimen, [{ ticket_id: 'A', title: 'é€😀' }]));
    const everywhere = Array.from(file.keys());
    assert.equal((await outcomeOf(specimen, file, { cuts: everywhere })).rows[0]?.['title'], 'é€😀');
  });
});

describe('a NUL byte', () => {
  it('is told with line and column', async () => {
    assert.deepEqual(await placeIn(titled(0)), ['MalformedFile', 3, 'title', 'NUL']);
  });
});

describe('a record', () => {
  const MiB = 1024 * 1024;
  /** A record of so many bytes on line 2. */
  const sized = (bytes: number) => `${header}\nA,"${'x'.repeat(bytes - 14)}"${tail},\nB,${tail},\n`;

  it('may have 1 MiB', async () => {
    const { rows } = await outcomeOf(specimen, sized(MiB));
    assert.deepEqual(
      rows.map((row) => row['source_line']),
      ['2', '3'],
    );
  });

  for (const bytes of [MiB + 1, MiB + 9, 2 * MiB]) {
    it(`of ${bytes} bytes is too long, and its line is told`, async () => {
      assert.deepEqual(await placeIn(sized(bytes)), ['MalformedFile', 2, undefined, 'CSV_MAX_RECORD_SIZE']);
    });
  }

  it('that a quote leaves open is given up after 1 MiB, whatever it is made of', async () => {
    for (const filler of ['x', '\n', '""']) {
      let taken = 0;
      async function* endless(): AsyncGenerator<Buffer> {
        yield Buffer.from(`${header}\nA,"`);
        for (; taken < 1000; taken += 1) yield Buffer.from(filler.repeat(32 * 1024));
      }
      const reading = readChangeFile({
        key: 'changes.csv',
        dataset: specimen,
        zone: NAIROBI,
        chunks: endless(),
        sink: { write: async () => undefined },
      });
      await assert.rejects(reading, {
        kind: 'MalformedFile',
        details: { line: 2, code: 'CSV_MAX_RECORD_SIZE' },
      });
      assert.ok(taken < 40, `${taken} chunks`);
    }
  });

  it('of nothing but commas is given up after 1 MiB', async () => {
    assert.deepEqual(await placeIn(`${header}\n${','.repeat(3 * MiB)}`), [
      'MalformedFile',
      2,
      undefined,
      'CSV_MAX_RECORD_SIZE',
    ]);
  });

  it('may come after any number of empty lines', async () => {
    const { rows } = await outcomeOf(specimen, `${header}\n${'\n'.repeat(3 * MiB)}A${tail},,\n`);
    assert.deepEqual(
      rows.map((row) => row['source_line']),
      [String(3 * MiB + 2)],
    );
  });
});

describe('a file cut into chunks anywhere', () => {
  const rows = [
    {
      ticket_id: ' A ',
      title: 'a, "b"\r\n😀\n\\.',
      region: 'rift  valley',
      at: '2026-06-22T10:00+03',
      week: '2026-06-22',
    },
    { ticket_id: 'EXPORT STOPPED' },
    { ticket_id: 'B', is_alarm: 'yes' },
    { ticket_id: 'C', title: '""', mttr: 'x', source: 'à' },
  ];
  const files = {
    LF: fileText(specimen, rows),
    CRLF: `\ufeff\r\n${fileText(specimen, rows, '\r\n')}\r\n \r\nEXPORT STOPPED`,
    'malformed at its end': `${fileText(specimen, rows.slice(0, 3), '\r\n')}"never closed""`,
    'malformed in its middle': `${fileText(specimen, rows.slice(0, 3))}"x"\r"\n${fileText(specimen, rows)}`,
  };
  for (const [name, text] of Object.entries(files)) {
    it(`is read as it is in one piece: ${name}`, async () => {
      const file = Buffer.from(text);
      const whole = outcome(await outcomeOf(specimen, file));
      for (let at = 0; at <= file.length; at += 1) {
        assert.deepEqual(outcome(await outcomeOf(specimen, file, { cuts: [at] })), whole, `cut at ${at}`);
      }
      assert.deepEqual(outcome(await outcomeOf(specimen, file, { cuts: Array.from(file.keys()) })), whole);
    });
  }

  const outcome = ({ reading, rows: staged, failure }: Outcome) => ({
    reading,
    staged,
    place: failure?.details,
  });
});
