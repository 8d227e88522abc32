import type { Column, Dataset } from '../../src/datasets/dataset.ts';

/**
 * What a change file means, worked out in the plainest way there is: the whole file in memory, regular expressions,
 * `Date`. It shares no code with the reader under test, and is its oracle.
 *
 * Values have one canonical text form, which PostgreSQL's output can be brought to:
 *
 * | type | form | in SQL |
 * |---|---|---|
 * | text | as it is | `c` |
 * | timestamptz | `2026-06-22T07:00:00.000000Z` | `to_char(c at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')` |
 * | date | `2026-06-22` | `c::text` |
 * | double precision | JavaScript's shortest | `c::text`, then `naiveDouble` |
 * | numeric | plain, no needless zeros: `-0.5`, `120` | `trim_scale(c)::text` |
 * | boolean | `true`, `false` | `c::text` |
 *
 * A time without offset is taken as UTC+3: right for Nairobi from 1960 on.
 */

/** A kept row: its values by column, and `source_line`, in decimals. */
export type NaiveRow = Readonly<Record<string, string | null>>;

export interface NaiveReading {
  /** By primary key; of several rows the last one. */
  readonly rows: ReadonlyMap<string, NaiveRow>;
  /** All kept rows in the order of the file. */
  readonly sent: readonly NaiveRow[];
  readonly counts: Readonly<Record<'read' | 'alarm' | 'sentinel' | 'rejected' | 'sent', number>>;
  readonly rejects: readonly { readonly line: number; readonly column?: string; readonly row: string }[];
  readonly unknownColumns: readonly string[];
  readonly unknownValues: Readonly<Record<string, number>>;
  readonly nulled: Readonly<Record<string, number>>;
  /** Why the file can't be read to its end, if it can't; `rejects` may have failed it before. */
  readonly failure?: NaiveFailure;
}

export interface NaiveFailure {
  readonly kind: 'MalformedFile' | 'SchemaMismatch';
  readonly line?: number;
  readonly column?: string;
}

interface NaiveRecord {
  readonly line: number;
  readonly fields: readonly string[];
  /** As it stands in the file. */
  readonly raw: string;
  /** Where the next one begins. */
  readonly end: number;
}

/** The header ends within so many bytes. */
const MAX_HEADER_END = 2 * 1024 * 1024;

class Failure extends Error {
  readonly failure: NaiveFailure;
  constructor(failure: NaiveFailure) {
    super(failure.kind);
    this.failure = failure;
  }
}

/** Reads a file of a dataset. */
export function naiveReading(dataset: Dataset, text: string | Buffer): NaiveReading {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const counts = { read: 0, alarm: 0, sentinel: 0, rejected: 0, sent: 0 };
  const rows = new Map<string, NaiveRow>();
  const sent: NaiveRow[] = [];
  const rejects: { line: number; column?: string; row: string }[] = [];
  const unknownValues: Record<string, number> = {};
  const nulled: Record<string, number> = {};
  let unknownColumns: readonly string[] = [];
  let failure: NaiveFailure | undefined;

  try {
    let header: readonly string[] | undefined;
    for (const record of naiveRecords(bytes, (field) => nameOf(dataset, header, field))) {
      const { line, fields, raw } = record;
      if (header === undefined) {
        if (record.end > MAX_HEADER_END) throw new Failure({ kind: 'MalformedFile', line: 1 });
        header = fields.map((name) => name.trim());
        unknownColumns = checkHeader(dataset, header, line);
        continue;
      }
      counts.read += 1;
      const row = readRow(dataset, header, fields);
      counts[row.is] += 1;
      if (row.is === 'rejected')
        rejects.push({ line, row: raw, ...(row.column === undefined ? {} : { column: row.column }) });
      if (row.is !== 'sent') continue;
      for (const column of row.unknown) unknownValues[column] = (unknownValues[column] ?? 0) + 1;
      for (const column of row.nulled) nulled[column] = (nulled[column] ?? 0) + 1;
      const values: NaiveRow = { ...row.values, source_line: String(line) };
      sent.push(values);
      rows.set(values[dataset.primaryKey] ?? '', values);
    }
    if (header === undefined) {
      const far = bytes.length > MAX_HEADER_END;
      throw new Failure({ kind: 'MalformedFile', ...(far && { line: 1 }) });
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    failure = error.failure;
  }
  return {
    rows,
    sent,
    counts,
    rejects,
    unknownColumns,
    unknownValues,
    nulled,
    ...(failure ? { failure } : {}),
  };
}

const QUOTED = /"([^"]*(?:""[^"]*)*)"/y;
const PLAIN = /(?:[^",\r\n]|\r(?!\n))*/y;
const STOP = /,|\r\n|\n|$/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The records that are no blank lines. The bytes are cut as latin1, each field is then decoded by itself. */
function* naiveRecords(bytes: Buffer, name: (field: number) => string): Generator<NaiveRecord> {
  const text = bytes.toString('latin1').replace(/^\u00ef\u00bb\u00bf/, '');
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const begin = at;
    const cells: string[] = [];
    let end: string;
    do {
      const match = matchAt(text[at] === '"' ? QUOTED : PLAIN, text, at);
      const stop = match && matchAt(STOP, text, at + match[0].length);
      if (!match || !stop) throw new Failure({ kind: 'MalformedFile', line, column: name(cells.length) });
      cells.push(match[1] === undefined ? match[0] : match[1].replaceAll('""', '"'));
      end = stop[0];
      at += match[0].length + end.length;
    } while (end === ',');
    const raw = text.slice(begin, at - end.length);
    if (raw.length > 1024 * 1024) throw new Failure({ kind: 'MalformedFile', line });
    const fields = cells.map((cell, field) =>
      decoded(cell, { kind: 'MalformedFile', line, column: name(field) }),
    );
    const blank = fields.length === 1 && fields[0]?.trim() === '' && !raw.startsWith('"');
    if (!blank) yield { line, fields, raw: Buffer.from(raw, 'latin1').toString('utf8'), end: at };
    line += text.slice(begin, at).split('\n').length - 1;
  }
}

function decoded(latin1: string, failure: NaiveFailure): string {
  if (latin1.includes('\0')) throw new Failure(failure);
  try {
    return UTF8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    throw new Failure(failure);
  }
}

function expectedColumns(dataset: Dataset): string[] {
  return [...Object.keys(dataset.columns), ...[dataset.alarmColumn ?? []].flat(), ...dataset.droppedColumns];
}

function nameOf(dataset: Dataset, header: readonly string[] | undefined, field: number): string {
  const name = header?.[field];
  return name !== undefined && expectedColumns(dataset).includes(name) ? name : `#${field + 1}`;
}

/** The unknown columns of a good header. */
function checkHeader(dataset: Dataset, header: readonly string[], line: number): string[] {
  const times = (name: string) => header.filter((other) => other === name).length;
  const missing = expectedColumns(dataset).filter((name) => times(name) === 0);
  const twice = expectedColumns(dataset).filter((name) => times(name) > 1);
  const bad = missing.length > 0 ? missing : twice;
  if (bad.length > 0) throw new Failure({ kind: 'SchemaMismatch', line, column: bad.join(', ') });
  return header.filter((name) => !expectedColumns(dataset).includes(name)).slice(0, 100);
}

type NaiveVerdict =
  | { is: 'alarm' | 'sentinel' }
  | { is: 'rejected'; column?: string }
  | { is: 'sent'; values: Record<string, string | null>; unknown: string[]; nulled: string[] };

function readRow(dataset: Dataset, header: readonly string[], fields: readonly string[]): NaiveVerdict {
  const cell = (name: string) => fields[header.indexOf(name)];
  const first = cell(dataset.primaryKey) ?? fields[0];
  if (dataset.sentinel !== undefined && first?.trim().startsWith(dataset.sentinel)) return { is: 'sentinel' };
  if (fields.length !== header.length) return { is: 'rejected' };
  const { alarmColumn } = dataset;
  const alarm = alarmColumn === undefined ? '' : (cell(alarmColumn) ?? '').trim();
  if (alarmColumn !== undefined && alarm !== '') {
    const flag = naiveValue({ type: 'boolean' }, alarm);
    if (flag === undefined) return { is: 'rejected', column: alarmColumn };
    if (flag === 'true') return { is: 'alarm' };
  }
  const values: Record<string, string | null> = {};
  const unknown: string[] = [];
  const nulled: string[] = [];
  for (const [name, column] of Object.entries(dataset.columns)) {
    const text = cell(name) ?? '';
    const value = name === dataset.primaryKey ? naiveKey(text) : naiveValue(column, text);
    if (value === undefined && column.onInvalid === 'null' && name !== dataset.primaryKey) nulled.push(name);
    else if (value === undefined) return { is: 'rejected', column: name };
    values[name] = value ?? null;
    if (column.canonical && typeof value === 'string' && !column.canonical.values.includes(value))
      unknown.push(name);
  }
  return { is: 'sent', values, unknown, nulled };
}

function naiveKey(text: string): string | undefined {
  const key = text.trim();
  return key !== '' && Buffer.byteLength(key) <= 1000 ? key : undefined;
}

/** A cell's value in its canonical text form; null for NULL, undefined where it is none of the column's type. */
export function naiveValue(column: Column, text: string): string | null | undefined {
  const trimmed = text.trim();
  switch (column.type) {
    case 'text':
      if (column.canonical) return naiveCanonical(column.canonical, text);
      return text === '' ? null : text;
    case 'timestamptz':
      return trimmed === '' ? null : naiveInstant(trimmed)?.utc;
    case 'date':
      return trimmed === '' ? null : (naiveInstant(trimmed) ?? naiveInstant(`${trimmed}T00:00`))?.date;
    case 'double precision':
      return trimmed === '' ? null : naiveDouble(trimmed);
    case 'numeric':
      return trimmed === '' ? null : naiveDecimal(trimmed);
    case 'boolean':
      if (trimmed === '') return null;
      if (/^(?:true|t|1|yes)$/i.test(trimmed)) return 'true';
      return /^(?:false|f|0|no)$/i.test(trimmed) ? 'false' : undefined;
  }
}

function naiveCanonical(
  { values, separators }: { readonly values: readonly string[]; readonly separators: boolean },
  text: string,
): string | null {
  const kept = text.trim().split(/\s+/).join(' ');
  if (kept === '') return null;
  const words = (value: string) =>
    value
      .toLowerCase()
      .split(separators ? /[\s_-]+/ : /\s+/)
      .filter((word) => word !== '')
      .join(' ');
  return values.find((value) => words(value) === words(kept)) ?? kept;
}

const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** An instant in UTC, and its date in Nairobi (undefined outside of the years 1 to 9999). */
function naiveInstant(text: string): { utc: string; date: string | undefined } | undefined {
  const match = INSTANT.exec(text);
  if (!match) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  if (hour > 23 || minute > 59 || second > 59 || year < 1) return undefined;
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  if (local.getUTCFullYear() !== year || local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day)
    return undefined;
  local.setUTCHours(hour, minute, second);

  const offset = match[8] === undefined ? 180 : offsetMinutes(match[8]);
  if (offset === undefined) return undefined;
  const micros = roundHalfEven(Number(`0.${match[7] ?? '0'}`) * 1e6);
  const utc = new Date(local.getTime() - offset * 60_000 + Math.floor(micros / 1e6) * 1000);
  const nairobi = new Date(local.getTime() - offset * 60_000 + 180 * 60_000);
  const inRange = nairobi.getUTCFullYear() >= 1 && nairobi.getUTCFullYear() <= 9999;
  return {
    utc: utc.toISOString().replace(/\.000Z$/, `.${String(micros % 1e6).padStart(6, '0')}Z`),
    date: inRange ? nairobi.toISOString().slice(0, 10) : undefined,
  };
}

function offsetMinutes(text: string): number | undefined {
  if (text === 'Z') return 0;
  const digits = text.replace(/[+:-]/g, '').padEnd(4, '0');
  const [hours, minutes] = [Number(digits.slice(0, 2)), Number(digits.slice(2))];
  if (hours > 15 || minutes > 59) return undefined;
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

/** As C's `rint`, with which PostgreSQL brings a fraction to microseconds. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const DECIMAL = /^([+-]?)(?=\.?\d)(\d*)\.?(\d*)(?:e([+-]?\d{1,3}))?$/i;

/** A double in JavaScript's shortest form; undefined where it is none. Takes PostgreSQL's output too. */
export function naiveDouble(text: string): string | undefined {
  if (naiveDecimal(text) === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || (value === 0 && naiveDecimal(text) !== '0')) return undefined;
  return String(value);
}

/** A decimal number without exponent and needless zeros; undefined where it is none. */
export function naiveDecimal(text: string): string | undefined {
  const match = DECIMAL.exec(text);
  if (!match || text.length > 400) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  // Zeros on both sides, more than the exponent can move the point.
  const left = '0'.repeat(1000) + whole;
  const digits = left + fraction + '0'.repeat(1000);
  const point = left.length + Number(exponent);
  const before = digits.slice(0, point).replace(/^0+(?=\d)/, '');
  const behind = digits.slice(point).replace(/0+$/, '');
  const plain = behind === '' ? before : `${before}.${behind}`;
  return sign === '-' && plain !== '0' ? `-${plain}` : plain;
}
