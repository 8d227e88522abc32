/** The port between the bytes of a change file and its rows: who cuts records does not know what they mean. */

/** The longest record, in bytes from its first to its last, the line break after it not counted. */
export const MAX_RECORD_BYTES = 1024 * 1024;

/** One record, valid only while its handler runs. */
export interface CsvRecord {
  /** The line on which it begins; the file's first line is line 1. */
  readonly line: number;
  /** How many fields it has. */
  readonly count: number;
  /** Holds the fields, unquoted: field `n`, counted from 0, is from `start(n)` to before `end(n)`. */
  readonly bytes: Buffer;
  start(field: number): number;
  end(field: number): number;
  /** The bytes as they stand in the file, without the line break that ends the record. */
  readonly raw: Buffer;
}

/** What a dataset says of its files' CSV. */
export interface CsvShape {
  /** Between two fields: one ASCII character. */
  readonly delimiter: string;
}

/** Where a dataset says nothing. */
export const COMMAS: CsvShape = { delimiter: ',' };

/** Takes each record in the order of the file; what it throws, the source throws on. */
export type RecordHandler = (record: CsvRecord) => void;

/** Cuts bytes into records. A line that is empty, or has only white space and no quotes, is no record. */
export interface RecordSource {
  /**
   * Takes the next bytes and hands over every record that is sure to have ended in them.
   *
   * @throws RecordFault where the bytes are no CSV of UTF-8 text. The source is then of no more use.
   */
  feed(bytes: Buffer): Promise<void>;
  /** Hands over what is left: the last record may lack its line break. @throws RecordFault as `feed` does. */
  end(): Promise<void>;
}

/** The bytes are no CSV of UTF-8 text. It names no value: it may go where row values may not. */
export class RecordFault extends Error {
  override readonly name = 'RecordFault';
  /** What is wrong, a clause of ours. */
  readonly what: string;
  readonly code: string;
  /** The line on which the record begins. */
  readonly line: number;
  /** The field at fault, counted from 0, where one is. */
  readonly field: number | undefined;

  constructor(fault: { what: string; code: string; line: number; field?: number }) {
    super(fault.what);
    this.what = fault.what;
    this.code = fault.code;
    this.line = fault.line;
    this.field = fault.field;
  }
}
