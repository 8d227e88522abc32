import fc from 'fast-check';
import type { Column, Dataset } from '../../src/datasets/dataset.ts';
import { fileColumns } from './reading.ts';

/** What a bare cast of PostgreSQL takes (or another program might), and a column of the type must not. */
export const BARE_CASTS = {
  timestamptz: (
    'now;today;tomorrow;yesterday;infinity;-infinity;epoch;allballs;01/02/2026;20260622;1750586400;J2461214;2026-173;' +
    '2026-06-22;2026-06-22 10;2026-06-22 24:00:00;2026-06-22 23:59:60;2026-06-22 10:00 PST;2026-06-22 10:00PST;' +
    '2026-06-22 10:00:00 +03;2026-06-22 10:00 Africa/Nairobi;20260622T100000;2026-06-22T10:00z;2026-06-22t10:00;' +
    '2026-06-22  10:00;June 22 2026 10:00;2026-6-22 10:00;26-06-22 10:00;2026-06-22 10:00:00,5;2026-06-22 10:00:00.;' +
    '2026-06-22 10:00 PM;2026.06.22 10:00;0044-03-15 10:00 BC;12026-06-22 10:00;2026-06-22 10:00+03:00:00;' +
    '2026-06-22 1:00;2026-06-22T10:00+16;2026-06-22T10:00+3;2026-06-22T10:00+0360;2026-06-22 10:00:00.0000000001;' +
    '2026-02-29 10:00;2026-13-01 10:00;2026-00-01 10:00;2026-04-31 10:00;2026-06-00 10:00;1900-02-29 10:00;0000-01-01 10:00'
  ).split(';'),
  date: (
    'now;today;infinity;-infinity;epoch;01/02/2026;20260622;2026/06/22;2026.06.22;2026-6-22;26-06-22;2026-W26;2026-173;' +
    '2026-06-22 24:00:00;2026-06;June 22 2026;2026-06-22 BC;J2461214;2026-06-22T;2026-06-22Z;2026-06-31;2026-02-29;0000-01-01;' +
    '9999-12-31T21:00Z;0001-01-01T00:00+04'
  ).split(';'),
  'double precision':
    'NaN;Infinity;-inf;inf;0x1F;0x1p3;1_000;1,5;1e;.;e5;--1;+-1;1e400;-1e309;1e-400;2e-324;1d3;5 %;1 000;1e1000;١'.split(
      ';',
    ),
  numeric: 'NaN;Infinity;-inf;inf;0x1F;0b11;0o7;1_000;1,5;1e;.;1e1000;1 000;$5;1.2.3;١'.split(';'),
  boolean: 'on;off;y;n;tru;ye;fals;2;-1;1.0;T rue;yes!;null'.split(';'),
} as const satisfies Partial<Record<Column['type'], readonly string[]>>;

const WHITE = [' ', '  ', '\t', '\n', '\r', '\r\n', '\u00a0', '\u3000', '\ufeff', '\v', '\u2028'];
/** What texts are made of: all that CSV, COPY and UTF-8 treat in a special way. */
const PIECES = [
  ...WHITE,
  ...'aZ0_-.,;"\\/N'.split(''),
  '""',
  '\\.',
  '\\N',
  '\\n',
  'à',
  'é',
  '\u0085',
  '€',
  '😀',
  '\u007f',
  '\u0001',
  'Open',
];

const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((pieces) => pieces.join(''));
const white = fc.array(fc.constantFrom(...WHITE), { maxLength: 2 }).map((pieces) => pieces.join(''));
const digits = (minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...'0123456789'), { minLength, maxLength }).map((all) => all.join(''));
const two = (least: number, most: number) =>
  fc.integer({ min: least, max: most }).map((n) => String(n).padStart(2, '0'));
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((all) => all.join(''));
const oneOf = (...texts: string[]) => fc.constantFrom(...texts);
const maybe = (part: fc.Arbitrary<string>) => fc.oneof(fc.constant(''), part);

/** Years in which Nairobi is at UTC+3 by every table of zones. */
const date = joined(
  fc.integer({ min: 1970, max: 2099 }).map(String),
  oneOf('-'),
  two(1, 12),
  oneOf('-'),
  two(1, 28),
);
const offset = fc.oneof(
  oneOf('Z'),
  joined(oneOf('+', '-'), two(0, 15), maybe(joined(oneOf(':', ''), two(0, 59)))),
);
const instant = joined(
  date,
  oneOf('T', ' '),
  two(0, 23),
  oneOf(':'),
  two(0, 59),
  maybe(joined(oneOf(':'), two(0, 59), maybe(joined(oneOf('.'), digits(1, 9))))),
  maybe(offset),
);
const decimal = joined(
  oneOf('', '+', '-'),
  fc.oneof(
    joined(digits(1, 20), maybe(joined(oneOf('.'), digits(0, 20)))),
    joined(oneOf('.'), digits(1, 20)),
  ),
  maybe(joined(oneOf('e', 'E'), oneOf('', '+', '-'), digits(1, 3))),
);
const double = decimal.filter((number) => {
  const value = Number(number);
  return Number.isFinite(value) && (value !== 0 || !/^[^e]*[1-9]/i.test(number));
});
const flag = fc.mixedCase(oneOf('true', 't', '1', 'yes', 'false', 'f', '0', 'no'));

/** A value of the column that is good, without white space around it. */
export function goodValue(column: Column): fc.Arbitrary<string> {
  switch (column.type) {
    case 'text':
      if (!column.canonical) return text;
      return fc.oneof(
        fc.mixedCase(oneOf(...column.canonical.values)),
        text,
        spelled(column.canonical.values),
      );
    case 'timestamptz':
      return instant;
    case 'date':
      return fc.oneof(date, instant);
    case 'double precision':
      return double;
    case 'numeric':
      return decimal;
    case 'boolean':
      return flag;
  }
}

/** A canonical value with other gaps. */
function spelled(values: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(oneOf(...values), oneOf('_', '-', '  ', '\u00a0', '_ -'))
    .map(([value, gap]) => value.replace(' ', gap));
}

/** Any cell, good more often than not. */
function anyCell(column: Column): fc.Arbitrary<string> {
  const padded = joined(white, goodValue(column), white);
  const bad = column.type === 'text' ? text : oneOf(...BARE_CASTS[column.type]);
  return fc.oneof(
    { weight: 40, arbitrary: goodValue(column) },
    { weight: 20, arbitrary: fc.constant('') },
    { weight: 6, arbitrary: padded },
    { weight: 3, arbitrary: white },
    { weight: 1, arbitrary: bad },
    { weight: 1, arbitrary: text },
  );
}

/** Any file of the dataset: mostly well made, with now and then one thing wrong somewhere. */
export function changeFile(dataset: Dataset): fc.Arbitrary<Buffer> {
  const columns = fileColumns(dataset);
  const header = fc.oneof(
    { weight: 20, arbitrary: fc.constant(columns) },
    { weight: 20, arbitrary: fc.shuffledSubarray(columns, { minLength: columns.length }) },
    {
      weight: 20,
      arbitrary: fc
        .shuffledSubarray([...columns, 'extra', 'à côté', ''])
        .map((some) => [...some, ...columns.filter((name) => !some.includes(name))]),
    },
    { weight: 1, arbitrary: fc.shuffledSubarray(columns) },
    { weight: 1, arbitrary: fc.constant([...columns, 'title', 'week']) },
  );
  const line = (names: readonly string[]) =>
    fc.oneof(
      { weight: 30, arbitrary: record(names.map((name) => cellOf(dataset, name))) },
      { weight: 2, arbitrary: record([joined(white, fc.constant(dataset.sentinel ?? ''), text)]) },
      {
        weight: 1,
        arbitrary: record(
          names.map((name) => (name === dataset.primaryKey ? fc.constant(`${dataset.sentinel} AT 7`) : text)),
        ),
      },
      {
        weight: 1,
        arbitrary: fc
          .array(text, { maxLength: names.length + 2 })
          .chain((cells) => record(cells.map((cell) => fc.constant(cell)))),
      },
      { weight: 2, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: oneOf(' ', '\t', '\u00a0 ', '\r', '""', '" "', ' ,', ',') },
    );
  const body = header.chain((names) =>
    fc.tuple(record(names.map((name) => fc.constant(name))), fc.array(line(names), { maxLength: 6 })),
  );
  return fc
    .tuple(
      maybe(oneOf('\ufeff')),
      fc.array(oneOf('', ' '), { maxLength: 1 }),
      body,
      fc.infiniteStream(oneOf('\n', '\r\n')),
      fc.boolean(),
    )
    .map(([bom, blank, [first, lines], ends, open]) => {
      const all = [...blank, first, ...lines].map((one) => one + String(ends.next().value));
      const whole = bom + all.join('');
      return Buffer.from(open ? whole.replace(/\r?\n$/, '') : whole);
    })
    .chain(damaged);
}

function cellOf(dataset: Dataset, name: string): fc.Arbitrary<string> {
  if (name === dataset.primaryKey)
    return fc.oneof(
      { weight: 9, arbitrary: joined(white, oneOf('T1', 'T2', 'à', 'T 3'), white) },
      { weight: 1, arbitrary: text },
    );
  if (name === dataset.alarmColumn)
    return fc.oneof(
      { weight: 9, arbitrary: oneOf('', 'false', 'No', ' 0 ') },
      { weight: 3, arbitrary: flag },
      { weight: 1, arbitrary: text },
    );
  const column = dataset.columns[name];
  return column ? anyCell(column) : text;
}

/** A record of such cells; one that needs no quotes has them now and then. */
function record(cells: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  const written = cells.map((cell) =>
    fc
      .tuple(cell, fc.integer({ min: 0, max: 7 }))
      .map(([value, dice]) =>
        dice === 0 || /[",\n]|\r$|\r\n/.test(value) ? `"${value.replaceAll('"', '""')}"` : value,
      ),
  );
  return fc.tuple(...written).map((all) => all.join(','));
}

const DAMAGE = [
  [0],
  [0xff],
  [0xc3],
  [0xe2, 0x82],
  [0xf0, 0x9f],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0x22],
  [0x22, 0x22],
  [0x0d],
  [0x0a],
  [0x2c],
  [0x22, 0x0d],
  [0x22, 0x00],
  [0xef, 0xbb, 0xbf],
];

/** One time in five a few bytes are put in somewhere, or the end is cut off. */
function damaged(file: Buffer): fc.Arbitrary<Buffer> {
  const somewhere = fc.nat(file.length);
  const put = fc
    .tuple(somewhere, fc.constantFrom(...DAMAGE))
    .map(([at, bytes]) => Buffer.concat([file.subarray(0, at), Buffer.from(bytes), file.subarray(at)]));
  const cutOff = somewhere.map((at) => file.subarray(0, at));
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant(file) },
    { weight: 2, arbitrary: put },
    { weight: 1, arbitrary: cutOff },
  );
}
