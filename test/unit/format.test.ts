import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { FormatFault } from '../../src/format/fault.ts';
import { textOf } from '../../src/format/textOf.ts';
import { unzstd } from '../../src/format/unzstd.ts';
import { rawFrame, zstd, zstdBomb, zstdUnchecked } from '../support/packing.ts';
import { cut, fileText, outcomeOf, specimen } from '../support/reading.ts';

const ROWS = Array.from({ length: 1_000 }, (_, n) => ({
  ticket_id: `T${n}`,
  title: 'é "€", '.repeat(n % 7),
}));
const TEXT = Buffer.from(fileText(specimen, ROWS));
const KEYS = { gzip: 'x.csv.gz', zstd: 'x.csv.zst' } as const;

async function unpacked(key: string, bytes: Buffer, cuts: readonly number[] = []): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of textOf(specimen, key, cut(bytes, cuts))) parts.push(part);
  return Buffer.concat(parts);
}

/** The code of what is wrong with the bytes. */
async function fault(key: string, bytes: Buffer): Promise<string | undefined> {
  try {
    await unpacked(key, bytes);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof FormatFault, String(error));
    return error.code;
  }
}

describe('packed files', function () {
  this.timeout(30_000);
  let packed: Record<keyof typeof KEYS, Buffer>;
  before(async () => {
    packed = { gzip: gzipSync(TEXT), zstd: await zstd(TEXT) };
  });

  for (const way of ['gzip', 'zstd'] as const) {
    const key = KEYS[way];

    it(`${way}: gives the text, however the bytes are cut, of one part or of several`, async () => {
      const two = Buffer.concat([packed[way], packed[way]]);
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(two.length), { maxLength: 6 }), async (cuts) => {
          assert.ok((await unpacked(key, two, cuts)).equals(Buffer.concat([TEXT, TEXT])));
        }),
        { numRuns: 15 },
      );
      const each = Array.from({ length: packed[way].length }, (_, n) => n);
      assert.ok((await unpacked(key, packed[way], each)).equals(TEXT));
    });

    it(`${way}: cut short anywhere is a fault`, async () => {
      const whole = packed[way];
      const ends = [0, 1, 3, 4, 5, 9, 17, 18, 19, whole.length >> 1, whole.length - 5, whole.length - 1];
      for (const end of ends) {
        assert.equal(
          await fault(key, whole.subarray(0, end)),
          way === 'gzip' ? 'GZIP_CUT' : 'ZSTD_CUT',
          `${end}`,
        );
      }
    });

    it(`${way}: a flipped bit never gives other text`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(packed[way].length - 1), fc.nat(7), async (at, bit) => {
          const bytes = Buffer.from(packed[way]);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
          try {
            assert.ok((await unpacked(key, bytes)).equals(TEXT));
          } catch (error) {
            assert.ok(error instanceof FormatFault, String(error));
          }
        }),
        { numRuns: 150 },
      );
    });

    it(`${way}: plain text and bytes behind the end are faults`, async () => {
      assert.match((await fault(key, TEXT)) ?? '', /CORRUPT/);
      const trailed = Buffer.concat([packed[way], Buffer.from('more of it')]);
      assert.match((await fault(key, trailed)) ?? '', /TRAILING|CORRUPT/);
    });

    it(`${way}: what the source throws is thrown on`, async () => {
      async function* broken(): AsyncGenerator<Buffer> {
        yield packed[way].subarray(0, 100);
        throw new RangeError('the connection broke');
      }
      await assert.rejects(async () => {
        for await (const part of textOf(specimen, key, broken())) assert.ok(part);
      }, RangeError);
    });

    it(`${way}: bytes and hash are the object's, rows and lines the text's, and a fault says what to do`, async () => {
      const plain = await outcomeOf(specimen, TEXT);
      const { reading, rows } = await outcomeOf(specimen, packed[way], { key });
      assert.deepEqual(rows, plain.rows);
      const { bytes, sha256, ...found } = reading ?? assert.fail();
      const { bytes: _, sha256: __, ...expected } = plain.reading ?? assert.fail();
      assert.deepEqual(found, expected);
      assert.equal(bytes, packed[way].length);
      assert.equal(sha256, createHash('sha256').update(packed[way]).digest('hex'));
      const { failure } = await outcomeOf(specimen, packed[way].subarray(0, 1_000), { key });
      assert.equal(failure?.kind, 'MalformedFile');
      assert.match(
        failure.at({ dataset: 'specimen', key }).message,
        /specimen x\.csv\..*cut short .*tidemark skip/,
      );
    });
  }

  it('zstd: frames without a checksum, of every level and with a part to be skipped are read', async () => {
    assert.ok((await unpacked(KEYS.zstd, await zstdUnchecked(TEXT))).equals(TEXT));
    for (const level of [1, 9, 19])
      assert.ok((await unpacked(KEYS.zstd, await zstd(TEXT, level))).equals(TEXT));
    const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const bytes = Buffer.concat([skipped, packed.zstd, skipped]);
    assert.ok((await unpacked(KEYS.zstd, bytes, [3, 9])).equals(TEXT));
    assert.ok((await unpacked(KEYS.zstd, await zstd(Buffer.alloc(0)))).equals(Buffer.alloc(0)));
    assert.ok((await unpacked(KEYS.zstd, await zstd(Buffer.from('a')))).equals(Buffer.from('a')));
  });

  it('zstd: a large window or a dictionary is refused before anything is set aside for it', async () => {
    const window = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0]);
    assert.equal(await fault(KEYS.zstd, window), 'ZSTD_WINDOW');
    const dictionary = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 0x38, 1, 1, 0, 0]);
    assert.equal(await fault(KEYS.zstd, dictionary), 'ZSTD_DICTIONARY');
  });

  it('zstd: nothing is kept of a long frame that was read', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const kept: number[] = [];
    let read = 0;
    for await (const part of unzstd(rawFrame(512))) {
      read += part.length;
      if (read % (16 * 1024 * 1024) !== 0) continue;
      // What the first frees may be counted until the next begins: another thread sweeps it.
      collect();
      collect();
      kept.push(process.memoryUsage().arrayBuffers);
    }
    assert.equal(kept.length, 4);
    const [first = 0, last = 0] = [kept.at(0), kept.at(-1)];
    assert.ok(last - first < 4 * 1024 * 1024, kept.join());
  });

  it('what unpacks to a thousand times its size is handed on in pieces of 128 KiB at most', async () => {
    const bombs = { gzip: gzipSync(Buffer.alloc(64 * 1024 * 1024, 'a')), zstd: zstdBomb(2_000) };
    for (const way of ['gzip', 'zstd'] as const) {
      let [total, most] = [0, 0];
      for await (const part of textOf(specimen, KEYS[way], cut(bombs[way], []))) {
        total += part.length;
        most = Math.max(most, part.length);
      }
      assert.ok(total >= 64 * 1024 * 1024 && most <= 128 * 1024, `${way} ${total} ${most}`);
      // No line break in 1 MiB: refused there, the rest unread.
      const { failure } = await outcomeOf(specimen, bombs[way], { key: KEYS[way] });
      assert.equal(failure?.details.code, 'CSV_MAX_RECORD_SIZE');
    }
  });
});

describe('encodings', () => {
  const rows = [
    { ticket_id: 'Té', title: 'a;b “c” €' },
    { ticket_id: 'T2', title: 'ÿ\r\nü' },
  ];
  const text = fileText(specimen, rows);
  const utf16 = (bytes: string): Buffer => Buffer.from(bytes, 'utf16le');
  const windows = (bytes: string): Buffer =>
    Buffer.from(bytes.replaceAll('“', '\x93').replaceAll('”', '\x94').replaceAll('€', '\x80'), 'latin1');
  const read = (
    encoding: 'latin1' | 'windows-1252' | 'utf-16le',
    bytes: Buffer,
    cuts: readonly number[] = [],
  ) => outcomeOf({ ...specimen, encoding }, bytes, { cuts });

  it('give the rows that UTF-8 gives, however the bytes are cut', async () => {
    const { rows: expected } = await outcomeOf(specimen, text);
    const emoji = text.replace('ÿ', '😀');
    const { rows: expectedEmoji } = await outcomeOf(specimen, emoji);
    for (let at = 0; at <= 2 * text.length; at += 3) {
      assert.deepEqual((await read('windows-1252', windows(text), [at])).rows, expected);
      assert.deepEqual((await read('utf-16le', utf16(emoji), [at])).rows, expectedEmoji);
    }
    assert.deepEqual((await read('utf-16le', utf16(`\ufeff${text}`))).rows, expected);
  });

  it('latin1 has the control characters where windows-1252 has quotes', async () => {
    const { rows: found } = await read('latin1', windows(text));
    assert.equal(found[0]?.['title'], 'a;b \u0093c\u0094 \u0080');
  });

  it('what is no character of theirs is a fault with its line and column', async () => {
    const cases = [
      ['windows-1252', Buffer.from(text.replace('ÿ', '\x81').replaceAll(/[“”€]/g, ''), 'latin1'), 3],
      ['utf-16le', utf16(text.replace('ÿ', '\ud83d')), 3],
      ['utf-16le', utf16(text.replace('ÿ', '\ude00')), 3],
    ] as const;
    for (const [encoding, bytes, line] of cases) {
      for (const at of [0, 300, 301, 302]) {
        const { failure } = await read(encoding, bytes, [at]);
        assert.deepEqual(
          [failure?.kind, failure?.what, failure?.details.line, failure?.details.column],
          ['MalformedFile', `there are bytes that are no ${encoding}`, line, 'title'],
        );
      }
    }
    const odd = await read('utf-16le', utf16(text).subarray(0, -1));
    assert.equal(odd.failure?.what, 'there are bytes that are no utf-16le');
  });

  it('are unpacked first, and cut at the delimiter of the dataset', async () => {
    const { rows: expected } = await outcomeOf(
      specimen,
      fileText(specimen, [{ ticket_id: 'T;1', title: ',é' }]),
    );
    const columns = text.split('\n')[0]?.replaceAll(',', ';') ?? '';
    const other = `${columns}\n"T;1";,é${';'.repeat(columns.split(';').length - 2)}\n`;
    const dataset = { ...specimen, delimiter: ';', encoding: 'utf-16le' } as const;
    const { rows: found } = await outcomeOf(dataset, gzipSync(utf16(other)), { key: KEYS.gzip });
    assert.deepEqual(found, expected);
  });
});
