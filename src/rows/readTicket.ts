/** The records of one primary key in a change file, judged as a load judges them. */

import { changeFileRecords } from '../csv/changeFileRecords.ts';
import { RecordFault, type CsvRecord } from '../csv/records.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { FormatFault } from '../format/fault.ts';
import { textOf } from '../format/textOf.ts';
import { Cell } from './cell.ts';
import { RowChecker, type Verdict } from './checkRow.ts';
import { CopyBlock } from './copyBlock.ts';
import { planHeader, type HeaderPlan } from './header.ts';
import { KeyFilter } from './keyFilter.ts';
import { faultWords, shapeOf } from './readFile.ts';
import { TextPieces } from './rawBytes.ts';
import type { ZoneHistory } from './zone.ts';

/** Records told one by one; a file with more of one ticket is no export. */
const MAX_FOUND = 100;

/** A record of the key. */
export interface FoundRecord {
  /** The line on which it begins, the header being line 1. */
  readonly line: number;
  readonly verdict: Verdict;
}

/** What a file has of the key. */
export interface TicketReading {
  /** The first 100 records. */
  readonly records: readonly FoundRecord[];
  readonly total: number;
  /** The line of the last record that is kept: it alone meets the table. */
  readonly lastRow: number | undefined;
  /** Rows that are kept, in COPY's format: the last of them, and perhaps others. */
  readonly block: { readonly bytes: Buffer; readonly rows: number } | undefined;
  /** Where the file cannot be read on. */
  readonly fault: TidemarkFailure | undefined;
}

interface ReadTicketInput {
  readonly dataset: Dataset;
  /** The change file's own, as in `readChangeFile`. */
  readonly key: ObjectKey;
  /** The object's bytes, cut anyhow. */
  readonly chunks: AsyncIterable<Buffer>;
  readonly zone: ZoneHistory;
  /** The primary key, trimmed. */
  readonly ticket: Buffer;
}

/** Reads a change file for the records of one key. Memory does not grow with the file. */
export async function readTicket(input: ReadTicketInput): Promise<TicketReading> {
  const found = new TicketRecords(input);
  const { dataset, key, chunks } = input;
  const text = new TextPieces();
  const source = changeFileRecords((record) => found.take(record), shapeOf(dataset));
  try {
    for await (const chunk of textOf(dataset, key, chunks)) {
      for (const piece of text.take(chunk)) {
        await source.feed(piece);
        await found.flush();
      }
    }
    for (const piece of text.rest()) await source.feed(piece);
    await source.end();
  } catch (error) {
    return { ...(await found.end()), fault: faultOf(dataset, error) };
  }
  return { ...(await found.end()), fault: undefined };
}

/** @throws what says nothing of the file */
function faultOf(dataset: Dataset, error: unknown): TidemarkFailure {
  if (error instanceof TidemarkFailure && error.kind === 'SchemaMismatch') return error;
  if (!(error instanceof RecordFault || error instanceof FormatFault)) throw error;
  const place = error instanceof RecordFault ? { line: error.line } : {};
  return new TidemarkFailure('MalformedFile', faultWords(dataset, error), { ...place, code: error.code });
}

class TicketRecords {
  private readonly input: ReadTicketInput;
  private readonly out: CopyBlock;
  private readonly cell = new Cell();
  private plan: HeaderPlan | undefined;
  private checker: RowChecker | undefined;
  private readonly records: FoundRecord[] = [];
  private total = 0;
  private lastRow: number | undefined;
  private rows = 0;
  private block: { bytes: Buffer; rows: number } | undefined;

  constructor(input: ReadTicketInput) {
    this.input = input;
    // Of several blocks the last has the last row: the others are superseded.
    const write = async (block: Buffer): Promise<void> => {
      this.block = { bytes: Buffer.from(block), rows: this.rows };
      this.rows = 0;
    };
    this.out = new CopyBlock({ write }, Object.keys(input.dataset.columns).length);
  }

  take(record: CsvRecord): void {
    if (!this.plan || !this.checker) return this.begin(record);
    if (!this.isWanted(record, this.plan)) return;
    const verdict = this.checker.check(record);
    this.total += 1;
    if (this.records.length < MAX_FOUND) this.records.push({ line: record.line, verdict });
    if (verdict !== 'row') return;
    this.lastRow = record.line;
    this.rows += 1;
  }

  async flush(): Promise<void> {
    if (this.out.full) await this.out.flush();
  }

  async end(): Promise<Omit<TicketReading, 'fault'>> {
    await this.out.end();
    const { records, total, lastRow, block } = this;
    return { records, total, lastRow, block };
  }

  private begin(header: CsvRecord): void {
    const { dataset, zone } = this.input;
    this.plan = planHeader(dataset, header);
    this.checker = new RowChecker({
      dataset,
      zone,
      plan: this.plan,
      keys: new KeyFilter(),
      counts: { unknownValues: {}, nulled: {} },
      out: this.out,
    });
  }

  private isWanted(record: CsvRecord, { keyField }: HeaderPlan): boolean {
    const { ticket } = this.input;
    // A row cut short may end before the key's place.
    const at = keyField < record.count ? keyField : 0;
    const key = this.cell.set(record.bytes, record.start(at), record.end(at)).trim();
    return key.length === ticket.length && key.startsWith(ticket);
  }
}
