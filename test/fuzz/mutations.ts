/** Change files as no exporter should write them: good ones, spoilt in every way that bytes can be. */

import fc from 'fast-check';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { changeFile, goodValue } from '../support/arbitraryFile.ts';
import { fileColumns } from '../support/reading.ts';

/** A file, and what was done to it. */
export interface Mutant {
  /** As they lie in S3. */
  readonly bytes: Buffer;
  readonly mutations: readonly string[];
  /** Absent: it is plain. */
  readonly packed?: Packed;
}

/** How a file was packed. */
export interface Packed {
  readonly ending: Ending;
  /** What was packed. */
  readonly text: Buffer;
  /** Whether something was done to the bytes afterwards. */
  readonly damaged: boolean;
}

type Ending = '.gz' | '.zst';

type Mutation = (bytes: Buffer) => fc.Arbitrary<Buffer>;

const MIB = 1024 ** 2;

/** What CSV, COPY, UTF-8 and terminals treat in a special way. */
const INSERTS: readonly (readonly number[])[] = [
  [0],
  [0x22],
  [0x22, 0x22],
  [0x22, 0x22, 0x22],
  [0x2c],
  [0x0a],
  [0x0d],
  [0x0d, 0x0a],
  [0x5c, 0x2e],
  [0x0a, 0x5c, 0x2e, 0x0a],
  [0x5c, 0x4e],
  [0x1a],
  [0x1b, 0x5b, 0x32, 0x4a],
  [0x7f],
  [0x80],
  [0xbf],
  [0xc0, 0x80],
  [0xc3],
  [0xe2, 0x80, 0xa8],
  [0xe2, 0x80, 0xae],
  [0xed, 0xa0, 0x80],
  [0xef, 0xbb, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xff, 0xfe],
  [...Buffer.from('EXPORT STOPPED')],
  [...Buffer.from("'); drop table tickets.inc; --")],
  [...Buffer.from('$1')],
];

const insertAt = (bytes: Buffer, at: number, more: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);

/** Inserts, one after the other, at places of the file as it then is. */
function inserting(pieces: fc.Arbitrary<Buffer>, maxLength: number): Mutation {
  return (bytes) =>
    fc
      .array(fc.tuple(fc.nat(), pieces), { minLength: 1, maxLength })
      .map((all) => all.reduce((file, [at, piece]) => insertAt(file, at % (file.length + 1), piece), bytes));
}

/** Rewrites the header's names. */
function header(change: (names: string[], at: number) => string[]): Mutation {
  return (bytes) => {
    const text = bytes.toString('latin1');
    const end = text.indexOf('\n') < 0 ? text.length : text.indexOf('\n');
    const names = text.slice(0, end).split(',');
    return fc
      .nat(names.length - 1)
      .map((at) => Buffer.from(change([...names], at).join(',') + text.slice(end), 'latin1'));
  };
}

/** Rewrites the whole text. */
const rewritten =
  (...ways: ((text: string) => Buffer | string)[]): Mutation =>
  (bytes) =>
    fc.constantFrom(...ways).map((way) => Buffer.from(way(bytes.toString('utf8'))));

/** A long field, record, header or run of something, put in somewhere. */
const hugePiece = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constantFrom('x', '"', '""', ',', '\n', '\r', ' ', 'é', '😀', '\\'),
      fc.nat(70_000),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('x', '""', ',', 'é', '\r\n'), fc.constantFrom(MIB - 1, MIB, MIB + 1)),
  },
);

/** Texts that mean something to SQL, COPY, shells, terminals, browsers and spreadsheets, and nothing here. */
const hostile = fc.constantFrom(
  "'); drop table tickets.inc; --",
  '$1 $$ %s \\. \\N',
  '\\.',
  '\u001b]0;title\u0007\u001b[2J',
  '<img src=x onerror=alert(1)>',
  '[link](javascript:alert(1)) `code` | cell |',
  "=cmd|'/c calc'!A1",
  '${jndi:ldap://x} {{7*7}}',
  '\u202egnp.exe \u200b\u2066\ufeff',
  'a, "b"\nc\r\nd\te',
  '\u0001\u007f\u0085\u2028',
  '😀 e\u0301 \ufffd',
);

const MUTATIONS: Readonly<Record<string, { readonly weight: number; readonly mutate: Mutation }>> = {
  'bit flips': {
    weight: 6,
    mutate: (bytes) =>
      fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 12 }).map((flips) => {
        const file = Buffer.from(bytes);
        for (const [at, bit] of flips)
          if (file.length > 0)
            file.writeUInt8(file.readUInt8(at % file.length) ^ (1 << bit), at % file.length);
        return file;
      }),
  },
  truncation: { weight: 4, mutate: (bytes) => fc.nat(bytes.length).map((end) => bytes.subarray(0, end)) },
  'special bytes': {
    weight: 8,
    mutate: inserting(
      fc.constantFrom(...INSERTS).map((piece) => Buffer.from(piece)),
      3,
    ),
  },
  'random bytes': {
    weight: 2,
    mutate: inserting(
      fc.uint8Array({ minLength: 1, maxLength: 200 }).map((some) => Buffer.from(some)),
      2,
    ),
  },
  'nothing but random bytes': {
    weight: 1,
    mutate: () => fc.uint8Array({ maxLength: 500 }).map((some) => Buffer.from(some)),
  },
  'lines moved, doubled and left out': {
    weight: 24,
    mutate: (bytes) => {
      const lines = bytes.toString('latin1').split(/(?<=\n)/);
      return fc
        .array(fc.nat(lines.length - 1), { maxLength: 2 * lines.length })
        .map((order) => Buffer.from(order.map((at) => lines[at] ?? '').join(''), 'latin1'));
    },
  },
  'a field replaced': {
    weight: 40,
    mutate: (bytes) => {
      const lines = bytes.toString('latin1').split('\n');
      return fc.tuple(fc.nat(lines.length - 1), fc.constantFrom(1, 2), hostile).map(([at, field, text]) => {
        const cells = (lines[at] ?? '').split(',');
        const written = Buffer.from(`"${text.replaceAll('"', '""')}"`).toString('latin1');
        const line = cells.with(Math.min(field, cells.length - 1), written).join(',');
        return Buffer.from(lines.with(at, line).join('\n'), 'latin1');
      });
    },
  },
  'a piece twice': {
    weight: 3,
    mutate: (bytes) =>
      fc
        .tuple(fc.nat(bytes.length), fc.nat(bytes.length), fc.nat(bytes.length))
        .map(([from, to, at]) => insertAt(bytes, at, bytes.subarray(Math.min(from, to), Math.max(from, to)))),
  },
  'a piece missing': {
    weight: 3,
    mutate: (bytes) =>
      fc
        .tuple(fc.nat(bytes.length), fc.nat(100))
        .map(([at, n]) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + n)])),
  },
  'another encoding': {
    weight: 3,
    mutate: rewritten(
      (text) => Buffer.from(text, 'utf16le'),
      (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
      (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
      (text) => Buffer.from(text, 'latin1'),
      (text) => Buffer.from(text.replace(/[aeiou]/, 'ü'), 'latin1'),
      (text) => Buffer.from(text).toString('latin1'),
      (text) => `\ufeff${text}`,
      (text) => `\ufeff\ufeff${text}`,
    ),
  },
  'other line ends': {
    weight: 3,
    mutate: rewritten(
      (text) => text.replaceAll('\n', '\r'),
      (text) => text.replaceAll(/\r?\n/g, '\r\n'),
      (text) => text.replaceAll('\n', '\n\r'),
      (text) => text.replaceAll('\n', '\r\r\n'),
      (text) => text.replaceAll('\n', '\u2028'),
      (text) => text.replaceAll('\n', '\n\n'),
      (text) => text.replace(/\n$/, ''),
      (text) => `${text}\u001a`,
      (text) => `${text}\0`,
    ),
  },
  'another separator': {
    weight: 1,
    mutate: rewritten(
      (text) => text.replaceAll(',', ';'),
      (text) => text.replaceAll(',', '\t'),
      (text) => text.replaceAll(',', ', '),
      (text) => text.replaceAll('"', "'"),
    ),
  },
  'something huge': {
    weight: 1,
    mutate: (bytes) =>
      fc
        .tuple(fc.nat(bytes.length), hugePiece, fc.boolean())
        .map(([at, [piece, times], quoted]) =>
          insertAt(bytes, at, Buffer.from(quoted ? `"${piece.repeat(times)}"` : piece.repeat(times))),
        ),
  },
  'many lines': {
    weight: 1,
    mutate: (bytes) =>
      fc
        .tuple(fc.constantFrom('', ' ', 'x', ',', '""', 'EXPORT STOPPED'), fc.integer({ min: 1, max: 3_000 }))
        .map(([line, times]) => Buffer.concat([bytes, Buffer.from(`\n${line}`.repeat(times))])),
  },
  'a column missing': { weight: 1, mutate: header((names, at) => names.filter((_name, i) => i !== at)) },
  'a column twice': { weight: 1, mutate: header((names, at) => [...names, names[at] ?? '']) },
  'a column of another name': {
    weight: 2,
    mutate: header((names, at) =>
      names.with(at, `${(names[at] ?? '').toUpperCase()}<img src=x onerror=alert(1)>`),
    ),
  },
  'a quoted name': { weight: 2, mutate: header((names, at) => names.with(at, `" ${names[at]} "`)) },
  'many columns': {
    weight: 1,
    mutate: header((names, at) => [...names, ...Array.from({ length: at * 100 }, (_unused, i) => `c${i}`)]),
  },
  'the header twice': { weight: 1, mutate: header((names) => [...names, `x\n${names.join(',')}`]) },
};

/** Mutations that are of the header, or of the whole file. */
const OF_ALL = /column|name|header|encoding|nothing but/;

const mutation = fc.oneof(
  ...Object.entries(MUTATIONS).map(([name, { weight, mutate }]) => ({
    weight,
    arbitrary: fc.constant({ name, mutate }),
  })),
);

/** Mostly the header is left alone: it is half of a small file, and a damage of it hides what the rows are read for. */
function behindHeader(bytes: Buffer, mutate: Mutation): fc.Arbitrary<Buffer> {
  const end = bytes.indexOf(0x0a) + 1;
  const [head, body] = [bytes.subarray(0, end), bytes.subarray(end)];
  return mutate(body).map((after) => Buffer.concat([head, after]));
}

/** A mutant of any file of the dataset. */
export function mutant(dataset: Dataset): fc.Arbitrary<Mutant> {
  const start = fc.oneof(
    { weight: 6, arbitrary: goodFile(dataset) },
    { weight: 1, arbitrary: changeFile(dataset) },
  );
  const count = fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3);
  return fc
    .tuple(start, count)
    .chain(([bytes, n]) =>
      fc
        .array(mutation, { minLength: n, maxLength: n })
        .chain((all) =>
          all.reduce<fc.Arbitrary<Mutant>>(
            (before, one) => before.chain((file) => mutated(file, one)),
            fc.constant({ bytes, mutations: [] }),
          ),
        ),
    );
}

/** What is done to packed bytes. Each part has a checksum, so that no other text can come of it. */
const DAMAGES = ['bit flips', 'truncation', 'random bytes', 'a piece missing'] as const;

/** A packed file, mostly a good one, that was damaged afterwards in four of five cases. */
export function packedMutant(
  dataset: Dataset,
  pack: Readonly<Record<Ending, (text: Buffer) => Buffer>>,
): fc.Arbitrary<Mutant> {
  const plain = fc.oneof(
    { weight: 3, arbitrary: goodFile(dataset).map((bytes): Mutant => ({ bytes, mutations: [] })) },
    { weight: 1, arbitrary: mutant(dataset) },
  );
  const how = fc.tuple(plain, fc.constantFrom<Ending>('.gz', '.zst'), fc.constantFrom(undefined, ...DAMAGES));
  return how.chain(([{ bytes: text, mutations }, ending, damage]): fc.Arbitrary<Mutant> => {
    const whole = pack[ending](text);
    const packed = { ending, text, damaged: damage !== undefined };
    if (damage === undefined)
      return fc.constant({ bytes: whole, mutations: [...mutations, 'packed'], packed });
    const damaging = MUTATIONS[damage]?.mutate(whole) ?? fc.constant(whole);
    return damaging.map((bytes) => ({ bytes, mutations: [...mutations, 'packed', damage], packed }));
  });
}

function mutated(
  { bytes, mutations }: Mutant,
  { name, mutate }: { readonly name: string; readonly mutate: Mutation },
): fc.Arbitrary<Mutant> {
  const inBody = fc.integer({ min: 1, max: 10 }).map((dice) => dice > 1 && !OF_ALL.test(name));
  return inBody
    .chain((is) => (is ? behindHeader(bytes, mutate) : mutate(bytes)))
    .map((after) => ({ bytes: after, mutations: [...mutations, name] }));
}

/** A file that loads: a few of few tickets, with good values or none. */
function goodFile(dataset: Dataset): fc.Arbitrary<Buffer> {
  const columns = fileColumns(dataset);
  const cells = columns.map((name) => {
    if (name === dataset.primaryKey) return fc.integer({ min: 1, max: 40 }).map((n) => `INC-${n}`);
    if (name === dataset.alarmColumn) return fc.constantFrom('', '', '', 'false', 'true');
    const column = dataset.columns[name];
    if (!column) return fc.constant('');
    return fc.oneof(
      { weight: 4, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: column.type === 'text' ? hostile : goodValue(column) },
    );
  });
  const row = fc.tuple(...cells).map((all) => all.map(quoted).join(','));
  return fc
    .array(row, { minLength: 1, maxLength: 4 })
    .map((rows) => Buffer.from([columns.join(','), ...rows].map((line) => `${line}\n`).join('')));
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
