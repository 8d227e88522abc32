import { CsvError, type Info, Parser } from 'csv-parse';
import { type CsvRecord, MAX_RECORD_BYTES, RecordFault, type RecordSource } from '../rows/records.ts';
import { ByteWindow } from './byteWindow.ts';
import { RecordView } from './recordView.ts';
import { TextCheck, textFault } from './textCheck.ts';

const LF = 0x0a;
const CR = 0x0d;
const TOO_LONG = {
  what: 'the record is longer than 1 MiB (is a quote never closed?)',
  code: 'CSV_MAX_RECORD_SIZE',
};
/** csv-parse looks a few bytes ahead: a record that just ended may still seem open by so many bytes. */
const LOOK_AHEAD = 8;

/** Takes a record, and where it ends, its line break included: an offset in all that the source was fed. */
export type ParsedRecordHandler = (record: CsvRecord, end: number) => void;

/**
 * Records by csv-parse.
 *
 * Line numbers are ours, counted in the bytes: csv-parse tells a record's last line, and counts a `\r\n` inside quotes
 * twice. Where a record ends is csv-parse's: its `bytes`.
 */
export function csvParseRecords(handler: ParsedRecordHandler, firstLine = 1): RecordSource {
  /** The bytes from the end of the last record on. */
  const window = new ByteWindow();
  const text = new TextCheck();
  const record = new RecordView();
  /** The line on which the window begins. */
  let line = firstLine;
  /** Bad text was seen: every record's fields are looked at from then on, to say where. */
  let suspect = false;

  const parser = new Parser({
    // One character per byte: UTF-8 passes through untouched.
    encoding: 'latin1',
    bom: false,
    // Pinned: by itself it would take the first line break for all, and merge LF rows after a CRLF header.
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    relax_quotes: false,
    max_record_size: MAX_RECORD_BYTES,
    on_record: (fields: string[], info: Info) => {
      skipEmptyLines();
      const begin = window.start;
      const raw = window.view(begin, endOfText(begin, info.bytes));
      if (raw.length > MAX_RECORD_BYTES) throw new RecordFault({ ...TOO_LONG, line });
      if (suspect) checkText(fields, line);
      fill(record, fields, raw);
      record.line = line;
      if (!record.isBlank) handler(record, info.bytes);
      line += countLines(window.view(begin, info.bytes));
      window.dropTo(info.bytes);
      return null;
    },
  });
  // Every error also comes to the callback of the call that met it.
  parser.on('error', () => undefined);

  function skipEmptyLines(): void {
    let at = window.start;
    for (;;) {
      if (window.at(at) === LF) at += 1;
      else if (window.at(at) === CR && window.at(at + 1) === LF) at += 2;
      else break;
      line += 1;
    }
    window.dropTo(at);
  }

  function endOfText(begin: number, end: number): number {
    if (end === begin || window.at(end - 1) !== LF) return end;
    return end - begin > 1 && window.at(end - 2) === CR ? end - 2 : end - 1;
  }

  /** Our own words for an error of csv-parse, whose message quotes the row; anything else is the handler's. */
  function ours(error: Error): Error {
    if (!(error instanceof CsvError)) return error;
    skipEmptyLines();
    if (error.code === TOO_LONG.code) return new RecordFault({ ...TOO_LONG, line });
    const what =
      error.code === 'CSV_QUOTE_NOT_CLOSED'
        ? 'a quote is never closed'
        : 'there is a quote where none may be';
    return new RecordFault({ what, code: error.code, line, field: Number(error['column']) });
  }

  function settle(resolve: () => void, reject: (reason: Error) => void): (error?: Error | null) => void {
    return (error) => (error ? reject(ours(error)) : resolve());
  }

  return {
    async feed(bytes) {
      if (!text.take(bytes)) suspect = true;
      window.append(bytes);
      await new Promise<void>((resolve, reject) => parser.write(bytes, settle(resolve, reject)));
      skipEmptyLines();
      if (window.end - window.start > MAX_RECORD_BYTES + LOOK_AHEAD)
        throw new RecordFault({ ...TOO_LONG, line });
    },
    async end() {
      if (!text.end()) suspect = true;
      await new Promise<void>((resolve, reject) => parser.end(settle(resolve, reject)));
    },
  };
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

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) lines += 1;
  return lines;
}
