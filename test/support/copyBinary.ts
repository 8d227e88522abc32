import type { ColumnType, Dataset } from '../../src/datasets/dataset.ts';
import { stagingColumns } from '../../src/rows/stagingColumns.ts';
import { naiveDouble, type NaiveRow } from './naiveReading.ts';

/** What PostgreSQL makes of COPY's binary tuples, in the naive reader's form; decoded as its `recv` functions do. */
export function copyRows(dataset: Dataset, copy: Buffer): NaiveRow[] {
  const columns = stagingColumns(dataset);
  const rows: NaiveRow[] = [];
  let at = 0;
  while (at < copy.length) {
    if (copy.readInt16BE(at) !== columns.length) throw new Error(`a tuple of ${copy.readInt16BE(at)} fields`);
    at += 2;
    const row: Record<string, string | null> = {};
    for (const column of columns) {
      const length = copy.readInt32BE(at);
      at += 4;
      const type = dataset.columns[column]?.type ?? 'bigint';
      row[column] = length < 0 ? null : DECODERS[type](copy.subarray(at, at + length));
      at += Math.max(length, 0);
    }
    rows.push(row);
  }
  if (at !== copy.length) throw new Error('the last tuple has no end');
  return rows;
}

const EPOCH_MS = Date.UTC(2000, 0, 1);
const DAY_MS = 86_400_000;

const DECODERS: Readonly<Record<ColumnType | 'bigint', (bytes: Buffer) => string>> = {
  text: (bytes) => bytes.toString(),
  bigint: (bytes) => String(sized(bytes, 8).readBigInt64BE()),
  boolean: (bytes) => (sized(bytes, 1)[0] === 1 ? 'true' : 'false'),
  date: (bytes) => new Date(EPOCH_MS + sized(bytes, 4).readInt32BE() * DAY_MS).toISOString().slice(0, 10),
  timestamptz(bytes) {
    const micros = sized(bytes, 8).readBigInt64BE() + BigInt(EPOCH_MS) * 1000n;
    const beyond = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
    const text = new Date(Number((micros - beyond) / 1000n)).toISOString();
    return text.replace(/\.000Z$/, `.${String(beyond).padStart(6, '0')}Z`);
  },
  'double precision': (bytes) => naiveDouble(String(sized(bytes, 8).readDoubleBE())) ?? 'not a number',
  numeric: (bytes) =>
    numericText(bytes)
      .replace(/(\.\d*?)0+$/, '$1')
      .replace(/\.$/, ''),
};

/** A `numeric` as PostgreSQL prints it, with all the digits behind the point that it keeps. */
function numericText(bytes: Buffer): string {
  const [count, weight, sign, scale] = [0, 2, 4, 6].map((place) => bytes.readInt16BE(place));
  if (count === undefined || weight === undefined || scale === undefined || bytes.length !== 8 + 2 * count)
    throw new Error('not a numeric');
  const digit = (index: number): string => {
    const value = index >= 0 && index < count ? bytes.readInt16BE(8 + 2 * index) : 0;
    if (value < 0 || value > 9999) throw new Error(`a digit of ${value}`);
    return String(value).padStart(4, '0');
  };
  let before = '';
  for (let index = 0; index <= weight; index += 1) before += digit(index);
  let behind = '';
  for (let index = weight + 1; behind.length < scale; index += 1) behind += digit(index);
  const whole = before.replace(/^0+(?=\d)/, '') || '0';
  // `numeric_recv` takes the sign off a zero.
  const negative = sign !== 0 && /[1-9]/.test(whole + behind);
  return (negative ? '-' : '') + whole + (scale > 0 ? `.${behind.slice(0, scale)}` : '');
}

function sized(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length) throw new Error(`${bytes.length} bytes where ${length} are due`);
  return bytes;
}
