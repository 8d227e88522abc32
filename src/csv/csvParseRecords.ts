import { CsvError, type Info, Parser } from 'csv-parse';
import { LineWindow } from './lineWindow.ts';
import {
  COMMAS,
  type CsvRecord,
  type CsvShape,
  MAX_RECORD_BYTES,
  RecordFault,
  type RecordSource,
} from './records.ts';
import { RecordView } from './recordView.ts';
import { TextCheck, textFault } from './textCheck.ts';

const TOO_LONG = {
  what: 'the record is longer than 1 MiB (is a quote never closed?)',
  code: 'CSV_MAX_RECORD_SIZE',
};
/** csv-parse looks a few bytes ahead: a record that just ended may still seem open by so many bytes. */
const LOOK_AHEAD = 8;

/** Takes a record, and where it ends, its line break included: an offset in all that the source was fed. */
export type ParsedRecordHandler = (record: CsvRecord, end: number) => void;

/** Records by csv-parse. */
export function csvParseRecords(handler: ParsedRecordHandler, shape = COMMAS, firstLine = 1): RecordSource {
  return new CsvParseRecords(handler, shape, firstLine);
}

/**
 * Line numbers are ours, counted in the bytes: csv-parse tells a record's last line, and counts a `\r\n` inside quotes
 * twice. Where a record ends is csv-parse's: its `bytes`.
 */
class CsvParseRecords implements RecordSource {
  private readonly handler: ParsedRecordHandler;
  private readonly parser: Parser;
  private readonly text = new TextCheck();
  private readonly record = new RecordView();
  /** The bytes from the end of the last record on. */
  private readonly window: LineWindow;
  /** Bad text was seen: every record's fields are looked at from then on, to say where. */
  private suspect = false;

  constructor(handler: ParsedRecordHandler, { delimiter }: CsvShape, firstLine: number) {
    this.handler = handler;
    this.window = new LineWindow(firstLine);
    this.parser = new Parser({
      // One character per byte: UTF-8 passes through untouched.
      encoding: 'latin1',
      bom: false,
      delimiter,
      // Pinned: by itself it would take the first line break for all, and merge LF rows after a CRLF header.
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      skip_empty_lines: true,
      relax_quotes: false,
      max_record_size: MAX_RECORD_BYTES,
      on_record: (fields: string[], info: Info) => {
        this.take(fields, info.bytes);
        // Nothing is left to be read from the parser.
        return null;
      },
    });
    // Every error also comes to the callback of the call that met it.
    this.parser.on('error', () => undefined);
  }

  async feed(bytes: Buffer): Promise<void> {
    if (!this.text.take(bytes)) this.suspect = true;
    this.window.append(bytes);
    await this.settled((done) => this.parser.write(bytes, done));
    this.window.passEmptyLines();
    if (this.window.length > MAX_RECORD_BYTES + LOOK_AHEAD) throw this.tooLong();
  }

  async end(): Promise<void> {
    if (!this.text.end()) this.suspect = true;
    await this.settled((done) => this.parser.end(done));
  }

  private take(fields: readonly string[], end: number): void {
    const { window, record } = this;
    window.passEmptyLines();
    const raw = window.textBefore(end);
    if (raw.length > MAX_RECORD_BYTES) throw this.tooLong();
    if (this.suspect) checkText(fields, window.line);
    fill(record, fields, raw);
    record.line = window.line;
    if (!record.isBlank) this.handler(record, end);
    window.passTo(end);
  }

  private settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => start((error) => (error ? reject(this.ours(error)) : resolve())));
  }

  /** Our own words for an error of csv-parse, whose message quotes the row; anything else is the handler's. */
  private ours(error: Error): Error {
    if (!(error instanceof CsvError)) return error;
    this.window.passEmptyLines();
    if (error.code === TOO_LONG.code) return this.tooLong();
    const open = error.code === 'CSV_QUOTE_NOT_CLOSED';
    const what = open ? 'a quote is never closed' : 'there is a quote where none may be';
    const { line } = this.window;
    return new RecordFault({ what, code: error.code, line, field: Number(error['column']) });
  }

  private tooLong(): RecordFault {
    return new RecordFault({ ...TOO_LONG, line: this.window.line });
  }
}

/** The fields, byte strings, side by side in a buffer; there is room, since the record has them all. */
function fill(record: RecordView, fields: readonly string[], raw: Buffer): void {
  if (record.bytes.length < raw.length) record.bytes = Buffer.allocUnsafe(2 * raw.length);
  record.rawBytes = raw;
  record.rawEnd = raw.length;
  record.count = 0;
  let at = 0;
  for (const field of fields) record.add(at, (at += record.bytes.write(field, at, 'latin1')));
}

function checkText(fields: readonly string[], line: number): void {
  for (const [field, bytes] of fields.entries()) {
    const fault = textFault(bytes);
    if (fault) throw new RecordFault({ ...fault, line, field });
  }
}
