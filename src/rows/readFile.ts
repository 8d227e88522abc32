import { changeFileRecords } from '../csv/changeFileRecords.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { FormatFault } from '../format/fault.ts';
import { textOf } from '../format/textOf.ts';
import { type Refusal, RowChecker } from './checkRow.ts';
import { CopyBlock, type RowEnd } from './copyBlock.ts';
import { type HeaderPlan, planHeader } from './header.ts';
import { KeyFilter } from './keyFilter.ts';
import { ObjectSum, TextPieces } from './rawBytes.ts';
import {
  type CsvRecord,
  type CsvShape,
  COMMAS,
  RecordFault,
  type RecordHandler,
  type RecordSource,
} from '../csv/records.ts';
import type { Reading, Reject, RowSink } from './row.ts';
import type { ZoneHistory } from './zone.ts';

/** How many rejected rows are kept, and how many bytes of each. */
const KEEP_REJECTS = 100;
const KEEP_REJECT_BYTES = 64 * 1024;
/** Rows wait no longer than this for a block to be full: nobody is to take an object that comes slowly for a frozen worker. */
const FLUSH_MS = 5_000;

/** How far a file is read. */
export interface ReadSoFar {
  /** Of the object, packed as it is. */
  readonly bytes: number;
  readonly rows: number;
}

export interface ReadChangeFileInput {
  readonly dataset: Dataset;
  /** The change file's own, wherever its bytes lie: its ending says how they are packed. */
  readonly key: ObjectKey;
  /** The object's bytes, cut anyhow. What it throws is thrown on as it is. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Takes the rows, in the columns that `stagingColumns` names. What it throws is thrown on as it is. */
  readonly sink: RowSink;
  /** What times without an offset mean. */
  readonly zone: ZoneHistory;
  /** What every row ends with, behind the columns that `stagingColumns` names. */
  readonly rowEnd?: RowEnd;
  /** How many rejected rows the result holds, default 100. */
  readonly keepRejects?: number;
  /** Hears how far it is, after each chunk. */
  readonly onRead?: (read: ReadSoFar) => void;
  /** How records are cut; by default the fastest way that is known. */
  readonly records?: (handler: RecordHandler, shape: CsvShape) => RecordSource;
}

/**
 * Reads a change file to its end and hands the rows that are kept to the sink, in COPY's binary format.
 *
 * Memory does not grow with the file. Once more rows are rejected than the dataset allows, nothing more goes to the
 * sink, and reading goes on to count; it is for the caller to refuse the file.
 *
 * @throws TidemarkFailure MalformedFile or SchemaMismatch, with line and column; the caller adds dataset and key.
 */
export async function readChangeFile(input: ReadChangeFileInput): Promise<Reading> {
  const { dataset, key } = input;
  const object = new ObjectSum();
  const text = new TextPieces();
  const block = new CopyBlock(input.sink, Object.keys(dataset.columns).length, input.rowEnd);
  const rows = new FileRows(input, block);
  const source = (input.records ?? changeFileRecords)((record) => rows.take(record), shapeOf(dataset));

  let flushed = performance.now();
  async function feed(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      await source.feed(piece);
      if (!block.full && performance.now() - flushed < FLUSH_MS) continue;
      flushed = performance.now();
      await block.flush();
      // Bytes that are there already would be read on and on, 2 MiB at a time, while PostgreSQL's answers wait.
      await new Promise(setImmediate);
    }
  }

  try {
    for await (const chunk of textOf(dataset, key, object.of(input.chunks))) {
      await feed(text.take(chunk));
      input.onRead?.({ bytes: object.bytes, rows: rows.read });
    }
    await feed(text.rest());
    await source.end();
    rows.end();
    input.onRead?.({ bytes: object.bytes, rows: rows.read });
    await block.end();
  } catch (error) {
    if (!(error instanceof RecordFault || error instanceof FormatFault)) throw error;
    const malformed = rows.malformed(error);
    // What is unpacked of damaged bytes may be anything: its rows are not those that were written.
    if (!rows.refused || error instanceof FormatFault) throw malformed;
    return { ...rows.found(), ...object.end(), malformed };
  }
  return { ...rows.found(), ...object.end() };
}

/** How a dataset's records are cut. */
export function shapeOf({ delimiter }: Dataset): CsvShape {
  return delimiter === undefined ? COMMAS : { delimiter };
}

/** A fault of the bytes in words that fit the dataset. */
export function faultWords(
  { encoding = 'utf-8' }: Dataset,
  { what, code }: RecordFault | FormatFault,
): string {
  return code === 'UTF8' && encoding !== 'utf-8' ? `there are bytes that are no ${encoding}` : what;
}

/** What one file's records come to. */
class FileRows {
  private readonly dataset: Dataset;
  private readonly zone: ZoneHistory;
  private readonly block: CopyBlock;
  private readonly keepRejects: number;
  private plan: HeaderPlan | undefined;
  private checker: RowChecker | undefined;
  private readonly counts = { read: 0, alarm: 0, sentinel: 0, rejected: 0, sent: 0 };
  private readonly values = { unknownValues: {}, nulled: {} };
  private readonly keys = new KeyFilter();
  private readonly rejects: Reject[] = [];

  constructor({ dataset, zone, keepRejects }: ReadChangeFileInput, block: CopyBlock) {
    this.dataset = dataset;
    this.zone = zone;
    this.block = block;
    this.keepRejects = keepRejects ?? KEEP_REJECTS;
  }

  /** Rows read so far. */
  get read(): number {
    return this.counts.read;
  }

  /** More rows were rejected than the dataset allows. */
  get refused(): boolean {
    return this.counts.rejected > this.dataset.maxRejects;
  }

  take(record: CsvRecord): void {
    if (!this.checker) {
      this.plan = planHeader(this.dataset, record);
      const { dataset, zone, plan, keys, values: counts, block: out } = this;
      this.checker = new RowChecker({ dataset, zone, plan, keys, counts, out });
      return;
    }
    this.counts.read += 1;
    const verdict = this.checker.check(record);
    if (verdict === 'row') this.counts.sent += 1;
    else if (verdict === 'alarm' || verdict === 'sentinel') this.counts[verdict] += 1;
    else this.reject(record, verdict);
    if (this.refused) this.block.drop();
  }

  /** The file is read. @throws TidemarkFailure MalformedFile where there was nothing in it. */
  end(): void {
    if (!this.plan) throw new TidemarkFailure('MalformedFile', 'the file has no header');
  }

  found(): Omit<Reading, 'bytes' | 'sha256'> {
    const unknownColumns = this.plan?.unknownColumns ?? [];
    const { mayRepeat } = this.keys;
    return { ...this.counts, ...this.values, mayRepeat, rejects: this.rejects, unknownColumns };
  }

  /** A fault of the bytes as a failure; in the header a column has only its ordinal. */
  malformed(fault: RecordFault | FormatFault): TidemarkFailure {
    const what = faultWords(this.dataset, fault);
    const { code } = fault;
    if (fault instanceof FormatFault) return new TidemarkFailure('MalformedFile', what, { code });
    const { line, field } = fault;
    if (field === undefined) return new TidemarkFailure('MalformedFile', what, { line, code });
    const column = this.plan?.columnName(field) ?? `#${field + 1}`;
    return new TidemarkFailure('MalformedFile', what, { line, column, code });
  }

  private reject({ line, raw }: CsvRecord, refusal: Refusal): void {
    this.counts.rejected += 1;
    if (this.rejects.length >= this.keepRejects) return;
    this.rejects.push({ line, ...refusal, row: cutText(raw, KEEP_REJECT_BYTES) });
  }
}

/** The first bytes of a text, as many as fit without splitting a character. */
function cutText(bytes: Buffer, most: number): string {
  let end = Math.min(bytes.length, most);
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
