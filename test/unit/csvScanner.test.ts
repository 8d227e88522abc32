import assert from 'node:assert/strict';
import fc from 'fast-check';
import { changeFileRecords } from '../../src/csv/changeFileRecords.ts';
import { csvParseRecords } from '../../src/csv/csvParseRecords.ts';
import { RecordFault, type RecordHandler, type RecordSource } from '../../src/csv/records.ts';
import { changeFile } from '../support/arbitraryFile.ts';
import { cut, fileText, type Outcome, outcomeOf, specimen } from '../support/reading.ts';

/** All that a source tells of a file: its records with their lines, then what is wrong. */
async function told(
  source: (handler: RecordHandler) => RecordSource,
  chunks: AsyncIterable<Buffer>,
): Promise<unknown[]> {
  const found: unknown[] = [];
  const reader = source((record) => {
    const { line, count, bytes, raw } = record;
    const fields = Array.from({ length: count }, (_, n) =>
      bytes.toString('latin1', record.start(n), record.end(n)),
    );
    found.push([line, raw.toString('latin1'), ...fields]);
  });
  try {
    for await (const chunk of chunks) await reader.feed(chunk);
    await reader.end();
  } catch (error) {
    if (!(error instanceof RecordFault)) throw error;
    const { code, line, field } = error;
    found.push({ code, line, field });
  }
  return found;
}

const byCsvParse = (file: Buffer, cuts: readonly number[] = [], delimiter = ',') =>
  told((handler) => csvParseRecords(handler, { delimiter }), cut(file, cuts));
const byScanner = (file: Buffer, cuts: readonly number[], scanAt: number, delimiter = ',') =>
  told((handler) => changeFileRecords(handler, { scanAt, delimiter }), cut(file, cuts));

/** Of a malformed file more or fewer bytes were read, as it was cut. */
function facts({ reading, failure, rows }: Outcome): unknown {
  if (!reading) return { failure: failure?.message };
  const { bytes, sha256, malformed, ...found } = reading;
  return { rows, found, ...(malformed ? { malformed: malformed.message } : { bytes, sha256 }) };
}

/** Bytes of which nearly every sequence means something to a CSV reader. */
const hostile = fc
  .array(
    fc.oneof(
      {
        weight: 40,
        arbitrary: fc.constantFrom(
          '"',
          ',',
          '\n',
          '\r\n',
          '\r',
          'a',
          ' ',
          '""',
          '",',
          '"\n',
          ',"',
          '\n"',
          '"a"',
          '"a\nb",',
        ),
      },
      // The scanner looks at 16 bytes at once.
      { weight: 4, arbitrary: fc.constantFrom('a'.repeat(13), 'a'.repeat(16), 'a'.repeat(30)) },
      { weight: 4, arbitrary: fc.constantFrom('é', '€', '😀', '\u00a0', '\ufeff', '\t', '\\') },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom('\0', '\xff', '\xc3', '\xe2\x82')
          .map((bytes) => Buffer.from(bytes, 'latin1')),
      },
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part))));
const cuts = (file: Buffer) => fc.array(fc.nat(file.length), { maxLength: 6 });
const cutUp = (files: fc.Arbitrary<Buffer>) => files.chain((file) => fc.tuple(fc.constant(file), cuts(file)));

describe('the scanner', function () {
  // Thousands of files, whatever else the machine does.
  this.timeout(180_000);
  it('tells of hostile bytes what csv-parse tells', async () => {
    const same = async ([file, at]: [Buffer, number[]], scanAt: number) => {
      assert.deepEqual(await byScanner(file, at, scanAt), await byCsvParse(file));
    };
    await fc.assert(fc.asyncProperty(cutUp(hostile), fc.nat(20), same), {
      seed: 20_260_622,
      numRuns: 20_000,
    });
  });

  it('tells of hostile bytes between other delimiters what csv-parse tells', async () => {
    const delimiters = fc.constantFrom(';', '\t', '|', '~', ':');
    const same = async ([file, at]: [Buffer, number[]], scanAt: number, delimiter: string) => {
      const bytes = Buffer.from(file.toString('latin1').replaceAll(',', delimiter), 'latin1');
      // Commas and other delimiters are then plain text.
      for (const text of [bytes, file]) {
        assert.deepEqual(await byScanner(text, at, scanAt, delimiter), await byCsvParse(text, [], delimiter));
      }
    };
    await fc.assert(fc.asyncProperty(cutUp(hostile), fc.nat(20), delimiters, same), {
      seed: 20_260_622,
      numRuns: 1_500,
    });
  });

  it('gives of any file the rows, lines, counts and failures that csv-parse gives', async () => {
    const same = async ([file, at]: [Buffer, number[]], maxRejects: number) => {
      const dataset = { ...specimen, maxRejects };
      const slow = await outcomeOf(dataset, file, { records: (handler) => csvParseRecords(handler) });
      assert.deepEqual(facts(await outcomeOf(dataset, file, { cuts: at })), facts(slow));
    };
    await fc.assert(fc.asyncProperty(cutUp(changeFile(specimen)), fc.nat(3), same), {
      seed: 20_260_622,
      numRuns: 5_000,
    });
  });

  const awkward = [
    'a,b\n"x ""y""\r\n",""\r\n\r\n\n \n"",""""\n',
    'a\r\n"\r\n"\r\n\r\n"a"',
    'a\nb\r\rc\r\n\r\nd,\r',
    'é,€\n😀,"😀"\n\u00a0\n"\u00a0"\n\ufeff\n',
    'a,b\n1,2\n"never closed, ""',
    'a,b\n1,"x"y\n3,4\n',
    'a,b\n1,2\nx"y,"\n',
    'a,b\n1,"x"\r',
    'a,b\n,,,,,,,,,,\n\n\n,\n',
  ];
  for (const text of awkward) {
    it(`tells at every cut what csv-parse tells: ${JSON.stringify(text)}`, async () => {
      for (const broken of ['', '\0', '\xff', '\xe2\x82']) {
        const file = Buffer.concat([Buffer.from(text), Buffer.from(broken, 'latin1')]);
        const expected = await byCsvParse(file);
        for (let one = 0; one <= file.length; one += 1) {
          for (let two = one; two <= file.length; two += 1) {
            assert.deepEqual(await byScanner(file, [one, two], 1), expected, `cut at ${one} and ${two}`);
          }
        }
      }
    });
  }

  it('tells of more records and fields than it finds at once what csv-parse tells', async () => {
    const many = 'a\n'.repeat(20_000);
    const wide = `${','.repeat(8_191)}\n`.repeat(9);
    const tooWide = `${','.repeat(8_192)}\n`;
    const file = Buffer.from(`h\n${many}${wide}"x""y"\n${many}${tooWide}${many}"é\n`);
    assert.deepEqual(await byScanner(file, [], 64 * 1024), await byCsvParse(file));
  });

  it('gives of a large file, in chunks of any size, the rows that csv-parse gives', async () => {
    const rows = Array.from({ length: 5_000 }, (_, n) => ({
      ticket_id: `T${n}`,
      title: '"é",\r\n'.repeat(n % 20),
      mttr: '1',
    }));
    const file = fileText(specimen, [...rows, { ticket_id: 'long', title: 'x'.repeat(500_000) }, ...rows]);
    const expected = await outcomeOf(specimen, file, { records: (handler) => csvParseRecords(handler) });
    for (const size of [1_000, 65_536, 100_000, 10_000_000]) {
      const cuts = Array.from({ length: file.length / size }, (_, n) => n * size);
      const { reading, blocks } = await outcomeOf(specimen, file, { cuts, records: changeFileRecords });
      assert.deepEqual(reading, expected.reading);
      assert.ok(Buffer.concat(blocks).equals(Buffer.concat(expected.blocks)));
    }
  });
});
