import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { readChangeFile } from '../../src/rows/readFile.ts';
import { stagingColumns } from '../../src/rows/stagingColumns.ts';
import { copyRows } from '../support/copyBinary.ts';
import { fileColumns, fileText, NAIROBI, outcomeOf, specimen } from '../support/reading.ts';

const header = fileColumns(specimen).join(',');
const rowOf = (cells: Readonly<Record<string, string>>) =>
  fileText(specimen, [cells]).slice(header.length + 1);
const tolerant = { ...specimen, maxRejects: 10 };

/** Primary keys and lines of what was written. */
async function staged(file: string | Buffer, dataset = specimen): Promise<string[]> {
  const { failure, rows } = await outcomeOf(dataset, file);
  if (failure) throw failure;
  return rows.map((row) => `${row['ticket_id']} ${row['source_line']}`);
}

/** The one value of a column in a file of one row. */
async function valueOf(column: string, cell: string): Promise<string | null | undefined> {
  const { rows, failure } = await outcomeOf(
    specimen,
    fileText(specimen, [{ ticket_id: 'T1', [column]: cell }]),
  );
  if (failure) throw failure;
  return rows[0]?.[column];
}

async function countsOf(file: string, dataset = specimen): Promise<number[]> {
  const { reading } = await outcomeOf(dataset, file);
  assert.ok(reading);
  return [reading.read, reading.alarm, reading.sentinel, reading.rejected, reading.sent];
}

async function failureOf(file: string | Buffer): Promise<unknown[]> {
  const { failure } = await outcomeOf(specimen, file);
  return [failure?.kind, failure?.details.line, failure?.details.column];
}

describe('a change file', () => {
  it('is staged in the columns of the dataset, then the line', () => {
    assert.deepEqual(stagingColumns(specimen), [...Object.keys(specimen.columns), 'source_line']);
  });

  it('may begin with a byte order mark', async () => {
    assert.deepEqual(await staged(`\ufeff${fileText(specimen, [{ ticket_id: 'T1' }])}`), ['T1 2']);
  });

  it('may have a quoted header behind the byte order mark', async () => {
    assert.deepEqual(await staged(`\ufeff"ticket_id"${header.slice(9)}\n${rowOf({ ticket_id: 'T1' })}`), [
      'T1 2',
    ]);
  });

  it('may end its lines with CRLF, LF or both by turns', async () => {
    const lines = [
      `${header}\r\n`,
      rowOf({ ticket_id: 'A' }),
      rowOf({ ticket_id: 'B' }).replace('\n', '\r\n'),
      rowOf({ ticket_id: 'C' }),
    ];
    assert.deepEqual(await staged(lines.join('')), ['A 2', 'B 3', 'C 4']);
  });

  it('may lack the last line break', async () => {
    assert.deepEqual(await staged(fileText(specimen, [{ ticket_id: 'A' }, { ticket_id: 'B' }]).trimEnd()), [
      'A 2',
      'B 3',
    ]);
  });

  it('may have its columns in any order, with white space around their names', async () => {
    const names = fileColumns(specimen).toReversed();
    const cells = names.map((name) => ({ ticket_id: 'T1', title: 'a title' })[name] ?? '');
    const { rows } = await outcomeOf(
      specimen,
      `${names.map((name) => ` ${name}\t`).join(',')}\n${cells.join(',')}\n`,
    );
    assert.deepEqual([rows[0]?.['ticket_id'], rows[0]?.['title']], ['T1', 'a title']);
  });

  it('may have columns that the dataset does not know, which are told', async () => {
    const { reading, rows } = await outcomeOf(
      specimen,
      `côté,${header},\nx,${rowOf({ ticket_id: 'T1' }).trim()},y\n`,
    );
    assert.deepEqual(reading?.unknownColumns, ['côté', '']);
    assert.equal(rows.length, 1);
  });

  it('tells at most 100 unknown columns', async () => {
    const { reading } = await outcomeOf(specimen, `${header}${',x'.repeat(200)}\n`);
    assert.equal(reading?.unknownColumns.length, 100);
  });

  it('tells 100 characters of an unknown column, and no half of one', async () => {
    const long = 'x'.repeat(99);
    const { reading } = await outcomeOf(specimen, `${header},${long}🌍,${long}yz\n`);
    assert.deepEqual(reading?.unknownColumns, [long, `${long}y`]);
  });

  it('fails without one of the columns, and only the missing ones are named', async () => {
    const file = fileText(specimen, []).replace('title', 'Title').replace(',is_alarm', '');
    assert.deepEqual(await failureOf(file), ['SchemaMismatch', 1, 'title, is_alarm']);
  });

  it('fails with one of the columns twice', async () => {
    assert.deepEqual(await failureOf(`${header},title\n`), ['SchemaMismatch', 1, 'title']);
  });

  it('without a header does not tell its first row', async () => {
    const { failure } = await outcomeOf(specimen, rowOf({ ticket_id: 'T1', title: 'secret' }));
    assert.equal(failure?.kind, 'SchemaMismatch');
    assert.doesNotMatch(failure.message, /secret|T1/);
  });

  for (const [name, file] of Object.entries({
    empty: '',
    'a byte order mark': '\ufeff',
    blank: '\n \r\n\u00a0\n',
  })) {
    it(`that is ${name} has no header`, async () => {
      assert.deepEqual(await failureOf(file), ['MalformedFile', undefined, undefined]);
    });
  }

  it('may hold nothing but its header', async () => {
    assert.deepEqual(await countsOf(header), [0, 0, 0, 0, 0]);
  });

  it('may hold nothing but alarms', async () => {
    const { reading, blocks } = await outcomeOf(
      specimen,
      fileText(specimen, [{ is_alarm: ' TRUE ', mttr: 'unread' }]),
    );
    assert.deepEqual([reading?.read, reading?.alarm, blocks.length], [1, 1, 0]);
  });

  it('is counted and hashed byte by byte', async () => {
    const file = `\ufeff${fileText(specimen, [{ ticket_id: 'T1' }])}`;
    const { reading } = await outcomeOf(specimen, file);
    assert.equal(reading?.bytes, Buffer.byteLength(file));
    assert.equal(reading.sha256, createHash('sha256').update(file).digest('hex'));
  });
});

describe('a blank line', () => {
  it('is no row, wherever it stands, and is counted as a line', async () => {
    assert.deepEqual(await staged(`\n \r\n${header}\n\r\n\t\n${rowOf({ ticket_id: 'T1' })}\n`), ['T1 6']);
  });

  it('in quotes is a row of one field', async () => {
    const { reading } = await outcomeOf(tolerant, `${header}\n""\n" "\n`);
    assert.deepEqual(
      reading?.rejects.map(({ line, reason }) => [line, reason]),
      [
        [2, '1 field, the header has 12'],
        [3, '1 field, the header has 12'],
      ],
    );
  });
});

describe('a sentinel', () => {
  it('is dropped and counted, with one field, with all, with any number', async () => {
    const lines = [
      'EXPORT STOPPED',
      rowOf({ ticket_id: ' EXPORT STOPPED: limit' }).trim(),
      'EXPORT STOPPED,,',
      '"EXPORT STOPPED, see"',
    ];
    assert.deepEqual(await countsOf(`${header}\n${lines.join('\n')}\n`), [4, 0, 4, 0, 0]);
  });

  it('comes before the alarm flag', async () => {
    assert.deepEqual(
      await countsOf(fileText(specimen, [{ ticket_id: 'EXPORT STOPPED', is_alarm: 'true' }])),
      [1, 0, 1, 0, 0],
    );
  });
});

describe('an alarm flag', () => {
  it('is false where it is empty or blank', async () => {
    assert.deepEqual(
      await countsOf(fileText(specimen, [{ ticket_id: 'A' }, { ticket_id: 'B', is_alarm: ' ' }])),
      [2, 0, 0, 0, 2],
    );
  });

  it('that is no flag rejects the row', async () => {
    const { reading } = await outcomeOf(
      tolerant,
      fileText(specimen, [{ ticket_id: 'A', is_alarm: 'maybe' }]),
    );
    assert.deepEqual(reading?.rejects, [
      {
        line: 2,
        column: 'is_alarm',
        reason: 'not a flag',
        row: rowOf({ ticket_id: 'A', is_alarm: 'maybe' }).trim(),
      },
    ]);
  });
});

describe('a text', () => {
  for (const text of [
    'a,b',
    'say ""',
    'a\nb',
    'a\r\nb',
    '\\.',
    '\\N',
    'a\tb',
    'C:\\new',
    '😀 é',
    ' kept ',
    'a\rb',
    'x\r',
    '\u0001\u007f',
    'NULL',
  ]) {
    it(`${JSON.stringify(text)} arrives byte for byte`, async () => {
      assert.equal(await valueOf('title', text), text);
    });
  }

  it('of 100,000 characters arrives', async () => {
    const text = 'àé"\n'.repeat(25_000);
    assert.equal(await valueOf('title', text), text);
  });

  it('that is empty is NULL, quoted or not', async () => {
    const { rows } = await outcomeOf(
      specimen,
      `${header}\n${rowOf({ ticket_id: 'A' })}${rowOf({ ticket_id: 'B' }).replace('B,', 'B,""')}`,
    );
    assert.deepEqual(
      rows.map((row) => row['title']),
      [null, null],
    );
  });

  it('that is blank is itself', async () => {
    assert.equal(await valueOf('title', '\u00a0 '), '\u00a0 ');
  });
});

describe('rejected rows', () => {
  it('with too few or too many fields say how many', async () => {
    const { reading } = await outcomeOf(tolerant, `${header}\nA,b\n${'x,'.repeat(12)}\n`);
    assert.deepEqual(reading?.rejects, [
      { line: 2, reason: '2 fields, the header has 12', row: 'A,b' },
      { line: 3, reason: '13 fields, the header has 12', row: 'x,'.repeat(12) },
    ]);
  });

  it('beyond the limit stop the writing, not the counting', async () => {
    const rows = [{ ticket_id: 'A' }, { ticket_id: '' }, { ticket_id: 'B' }, { ticket_id: 'C', at: 'now' }];
    const { reading, blocks } = await outcomeOf(specimen, fileText(specimen, rows));
    assert.deepEqual([reading?.read, reading?.rejected, reading?.sent, blocks.length], [4, 2, 2, 0]);
  });

  it('are kept up to a number, and counted beyond', async () => {
    const { reading } = await outcomeOf(specimen, `${header}\n${'x\n'.repeat(150)}`);
    assert.deepEqual([reading?.rejected, reading?.rejects.length], [150, 100]);
  });

  it('are cut at 64 KiB without splitting a character', async () => {
    const { reading } = await outcomeOf(specimen, `${header}\nx${'€'.repeat(30_000)}\n`);
    assert.equal(reading?.rejects[0]?.row, `x${'€'.repeat(21_845)}`);
  });

  it('are not lost where the file turns out to be malformed after them', async () => {
    const { reading } = await outcomeOf(specimen, `${header}\nx\ny"\n`);
    assert.equal(reading?.rejects.length, 1);
    assert.deepEqual([reading.malformed?.kind, reading.malformed?.details.line], ['MalformedFile', 3]);
  });

  it('within the limit do not hide that the file is malformed', async () => {
    const { failure } = await outcomeOf(tolerant, `${header}\nx\ny"\n`);
    assert.deepEqual([failure?.kind, failure?.details.line], ['MalformedFile', 3]);
  });
});

describe('the reader', () => {
  const big = fileText(
    specimen,
    Array.from({ length: 20_000 }, (_, n) => ({ ticket_id: `T${n}`, title: 'x'.repeat(40) })),
  );

  it('writes the line of each row', async () => {
    const { rows } = await outcomeOf(specimen, big);
    assert.deepEqual(
      rows.map((row) => row['source_line']),
      Array.from({ length: 20_000 }, (_, n) => String(n + 2)),
    );
  });

  it('writes whole rows in blocks of about 256 KiB', async () => {
    const { blocks } = await outcomeOf(specimen, big);
    assert.ok(blocks.length > 3);
    for (const block of blocks.slice(0, -1))
      assert.ok(block.length >= 256 * 1024 && block.length < 512 * 1024);
    for (const block of blocks) assert.ok(copyRows(specimen, block).length > 0);
  });

  it('goes on while the sink is busy, up to 24 blocks, and no further', async () => {
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.from(big);
      for (;;) yield Buffer.from(big.slice(header.length + 1));
    }
    const written: Buffer[] = [];
    const reading = readChangeFile({
      key: 'changes.csv',
      dataset: specimen,
      zone: NAIROBI,
      chunks: chunks(),
      sink: { write: (block) => (written.push(block), new Promise(() => undefined)) },
    });
    const waited = (async () => {
      while (written.length < 24) await new Promise((resolve) => setTimeout(resolve, 10));
      // Time enough for some more.
      await new Promise((resolve) => setTimeout(resolve, 200));
    })();
    await Promise.race([reading, waited]);
    assert.equal(written.length, 24);
  });

  it('does not touch a block before the sink is done with it', async () => {
    const blocks: Buffer[] = [];
    const early: Buffer[] = [];
    const { rows } = await outcomeOf(specimen, big);
    const sink = {
      async write(block: Buffer) {
        early.push(Buffer.from(block));
        await new Promise((resolve) => setTimeout(resolve, 1));
        blocks.push(Buffer.from(block));
      },
    };
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.from(big);
    }
    await readChangeFile({ key: 'changes.csv', dataset: specimen, zone: NAIROBI, chunks: chunks(), sink });
    assert.ok(Buffer.concat(blocks).equals(Buffer.concat(early)));
    assert.deepEqual(copyRows(specimen, Buffer.concat(blocks)), rows);
  });

  it('throws what the chunks throw as it is, rejects or not', async () => {
    const stalled = new TidemarkFailure('Stalled', 'no bytes for 30 s');
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.from(`${header}\nreject\n`);
      throw stalled;
    }
    const reading = readChangeFile({
      key: 'changes.csv',
      dataset: specimen,
      zone: NAIROBI,
      chunks: chunks(),
      sink: { write: async () => undefined },
    });
    await assert.rejects(reading, (error) => error === stalled);
  });

  it('throws what the sink throws as it is, and ends the chunks', async () => {
    const broken = new Error('connection gone');
    let ended = false;
    async function* chunks(): AsyncGenerator<Buffer> {
      try {
        yield Buffer.from(big);
        yield Buffer.from(big.slice(header.length + 1));
      } finally {
        ended = true;
      }
    }
    const sink = { write: () => Promise.reject(broken) };
    await assert.rejects(
      readChangeFile({ key: 'changes.csv', dataset: specimen, zone: NAIROBI, chunks: chunks(), sink }),
      (error) => error === broken,
    );
    assert.ok(ended);
  });
});
