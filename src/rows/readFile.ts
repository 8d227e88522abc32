import { csvParseRecords } from '../csv/csvParseRecords.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { Blocks } from './blocks.ts';
import { isBlank } from './byteText.ts';
import { rowChecker, type Verdict } from './checkRow.ts';
import { type HeaderPlan, planHeader } from './header.ts';
import { RawBytes } from './rawBytes.ts';
import { type CsvRecord, RecordFault } from './records.ts';
import type { Reading, Reject, RowSink } from './row.ts';

/** How many rejected rows are kept, and how many bytes of each. */
const KEEP_REJECTS = 100;
const KEEP_REJECT_BYTES = 64 * 1024;

export interface ReadChangeFileInput {
  readonly dataset: Dataset;
  /** The object's bytes, cut anyhow. What it throws is thrown on as it is. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Takes the rows, in the columns that `stagingColumns` names. What it throws is thrown on as it is. */
  readonly sink: RowSink;
  /** How many rejected rows the result holds, default 100. */
  readonly keepRejects?: number;
}

/**
 * Reads a change file to its end and hands the rows that are kept to the sink, in COPY's text format.
 *
 * Memory does not grow with the file. Once more rows are rejected than the dataset allows, nothing more goes to the
 * sink, and reading goes on to count; it is for the caller to refuse the file.
 *
 * @throws TidemarkFailure MalformedFile or SchemaMismatch, with line and column; the caller adds dataset and key.
 */
export async function readChangeFile(input: ReadChangeFileInput): Promise<Reading> {
  const raw = new RawBytes();
  const blocks = new Blocks(input.sink);
  const rows = new FileRows(input.dataset, blocks, input.keepRejects ?? KEEP_REJECTS);
  const source = csvParseRecords((record) => rows.take(record));

  async function feed(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      await source.feed(piece);
      if (blocks.full) await blocks.flush();
    }
  }

  try {
    for await (const chunk of input.chunks) await feed(raw.take(chunk));
    await feed(raw.rest());
    await source.end();
    rows.end();
    await blocks.flush();
  } catch (error) {
    if (!(error instanceof RecordFault)) throw error;
    const malformed = rows.malformed(error);
    if (!rows.refused) throw malformed;
    return { ...rows.found(), ...raw.sum(), malformed };
  }
  return { ...rows.found(), ...raw.sum() };
}

/** What one file's records come to. */
class FileRows {
  private readonly dataset: Dataset;
  private readonly blocks: Blocks;
  private readonly keepRejects: number;
  private plan: HeaderPlan | undefined;
  private check: ((fields: readonly string[], line: number) => Verdict) | undefined;
  private readonly counts = { read: 0, alarm: 0, sentinel: 0, rejected: 0, sent: 0 };
  private readonly values = { unknownValues: {}, nulled: {} };
  private readonly rejects: Reject[] = [];

  constructor(dataset: Dataset, blocks: Blocks, keepRejects: number) {
    this.dataset = dataset;
    this.blocks = blocks;
    this.keepRejects = keepRejects;
  }

  /** More rows were rejected than the dataset allows. */
  get refused(): boolean {
    return this.counts.rejected > this.dataset.maxRejects;
  }

  take(record: CsvRecord): void {
    if (isBlankLine(record)) return;
    if (!this.check) {
      this.plan = planHeader(this.dataset, record.fields, record.line);
      this.check = rowChecker(this.dataset, this.plan, this.values);
      return;
    }
    this.counts.read += 1;
    this.judge(record, this.check(record.fields, record.line));
  }

  /** The file is read. @throws TidemarkFailure MalformedFile where there was nothing in it. */
  end(): void {
    if (!this.plan) throw new TidemarkFailure('MalformedFile', 'the file has no header');
  }

  found(): Omit<Reading, 'bytes' | 'sha256'> {
    const unknownColumns = this.plan?.unknownColumns ?? [];
    return { ...this.counts, ...this.values, rejects: this.rejects, unknownColumns };
  }

  /** A fault of the bytes as a failure; in the header a column has only its ordinal. */
  malformed({ what, code, line, field }: RecordFault): TidemarkFailure {
    if (field === undefined) return new TidemarkFailure('MalformedFile', what, { line, code });
    const column = this.plan?.columnName(field) ?? `#${field + 1}`;
    return new TidemarkFailure('MalformedFile', what, { line, column, code });
  }

  private judge(record: CsvRecord, verdict: Verdict): void {
    switch (verdict.is) {
      case 'row':
        this.counts.sent += 1;
        if (!this.refused) this.blocks.add(verdict.copyLine);
        break;
      case 'alarm':
      case 'sentinel':
        this.counts[verdict.is] += 1;
        break;
      case 'reject':
        this.reject(record, verdict);
    }
  }

  private reject({ line, raw }: CsvRecord, { reason, column }: { reason: string; column?: string }): void {
    this.counts.rejected += 1;
    if (this.refused) this.blocks.drop();
    if (this.rejects.length >= this.keepRejects) return;
    const row = cutText(raw, KEEP_REJECT_BYTES);
    this.rejects.push({ line, ...(column === undefined ? {} : { column }), reason, row });
  }
}

/** An unquoted line of white space only. A quoted field is longer in the file than its value. */
function isBlankLine({ fields, raw }: CsvRecord): boolean {
  const only = fields.length === 1 ? fields[0] : undefined;
  return only !== undefined && only.length === raw.length && isBlank(only);
}

/** The first bytes of a text, as many as fit without splitting a character. */
function cutText(bytes: Buffer, most: number): string {
  let end = Math.min(bytes.length, most);
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
