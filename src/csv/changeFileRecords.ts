import { countBreaks } from './bytes.ts';
import { csvParseRecords } from './csvParseRecords.ts';
import { copyOf, knownHeader, rememberHeader } from './headerMemory.ts';
import {
  COMMAS,
  MAX_RECORD_BYTES,
  RecordFault,
  type CsvRecord,
  type CsvShape,
  type RecordHandler,
  type RecordSource,
} from './records.ts';
import { Scanner } from './scanner.ts';
import { TextCheck } from './textCheck.ts';

/** A header is given to csv-parse in such pieces: what it reads beyond the header is read twice. */
const HEADER_PIECE = 512;
/** The header ends within so many bytes: all before its end is kept, and blank lines may stand before it. */
const MAX_HEADER_END = 2 * MAX_RECORD_BYTES;
/** How many new bytes a scan waits for, and how many csv-parse is given at once. */
const PIECE = 64 * 1024;

/** Bytes that another source is to go on with. */
interface Rest {
  readonly bytes: Buffer;
  /** The line on which they begin. */
  readonly line: number;
}

/**
 * The records of a change file: csv-parse reads the header, the scanner what follows, and csv-parse again from the
 * first record that the scanner does not know, to say what is wrong with it.
 *
 * @param options.scanAt how many new bytes are waited for before the next scan, default 64 KiB. A record that is
 *   still open is scanned again from its beginning, so that many small chunks would cost their square.
 */
export function changeFileRecords(
  handler: RecordHandler,
  options: Partial<CsvShape> & { readonly scanAt?: number } = {},
): RecordSource {
  const scanAt = options.scanAt ?? PIECE;
  const shape = { ...COMMAS, ...options };
  let source: RecordSource = headerSource(handler, shape, async ({ bytes, line }) => {
    source = scanSource({ handler, shape, line, scanAt, handOver });
    await source.feed(bytes);
  });

  async function handOver({ bytes, line }: Rest): Promise<void> {
    source = csvParseRecords(handler, shape, line);
    // In pieces, so that it looks at a record's length in between.
    for (let at = 0; at < bytes.length; at += PIECE) await source.feed(bytes.subarray(at, at + PIECE));
  }

  return {
    feed: (bytes) => source.feed(bytes),
    async end() {
      let ended: RecordSource;
      // Its end may hand over to another source, which must then be ended too.
      do {
        ended = source;
        await ended.end();
      } while (ended !== source);
    },
  };
}

/** Takes a header that is known by its bytes; any other is read by csv-parse. Hands over the bytes behind it. */
function headerSource(
  handler: RecordHandler,
  shape: CsvShape,
  handOver: (rest: Rest) => Promise<void>,
): RecordSource {
  let parsed: RecordSource | undefined;
  return {
    async feed(bytes) {
      const known = parsed ? undefined : knownHeader(bytes, shape);
      if (!known) return (parsed ??= parsedHeader(handler, shape, handOver)).feed(bytes);
      handler(known.record);
      const line = 1 + countBreaks(known.bytes);
      return handOver({ bytes: bytes.subarray(known.bytes.length), line });
    },
    end: () => (parsed ??= parsedHeader(handler, shape, handOver)).end(),
  };
}

/** Reads the header by csv-parse, and hands over the bytes behind it. */
function parsedHeader(
  handler: RecordHandler,
  shape: CsvShape,
  handOver: (rest: Rest) => Promise<void>,
): RecordSource {
  const seen: Buffer[] = [];
  let header: CsvRecord | undefined;
  let seenBytes = 0;
  let headerEnd = -1;
  const parser = csvParseRecords((record, end) => {
    // csv-parse may have found more records, but they are the scanner's.
    if (header) return;
    handler(record);
    header = copyOf(record);
    headerEnd = end;
  }, shape);

  /** Lets csv-parse read on. What it finds wrong behind the header is to be found again, in its turn. */
  async function hasHeader(read: Promise<void>): Promise<boolean> {
    try {
      await read;
    } catch (error) {
      if (!header) throw error;
    }
    if (headerEnd > MAX_HEADER_END || (!header && seenBytes > MAX_HEADER_END)) {
      throw new RecordFault({ what: 'there is no header in the first 2 MiB', code: 'NO_HEADER', line: 1 });
    }
    return header !== undefined;
  }

  function restWith(bytes: Buffer): Rest {
    const all = Buffer.concat([...seen, bytes]);
    const [first, rest] = [all.subarray(0, headerEnd), all.subarray(headerEnd)];
    if (header) rememberHeader(first, header, shape);
    return { bytes: rest, line: 1 + countBreaks(first) };
  }

  return {
    async feed(bytes) {
      for (let at = 0; at < bytes.length; at += HEADER_PIECE) {
        const piece = bytes.subarray(at, at + HEADER_PIECE);
        seen.push(Buffer.from(piece));
        seenBytes += piece.length;
        if (await hasHeader(parser.feed(piece))) return handOver(restWith(bytes.subarray(at + HEADER_PIECE)));
      }
    },
    async end() {
      if (await hasHeader(parser.end())) await handOver(restWith(Buffer.alloc(0)));
    },
  };
}

/** Scans, as long as the text is good and the scanner knows it; else hands over from the last record on. */
function scanSource(input: {
  readonly handler: RecordHandler;
  readonly shape: CsvShape;
  readonly line: number;
  readonly scanAt: number;
  readonly handOver: (rest: Rest) => Promise<void>;
}): RecordSource {
  const scanner = new Scanner(input.handler, input.shape, input.line);
  const text = new TextCheck();
  let unscanned = 0;

  async function scan(good: boolean, last: boolean): Promise<void> {
    unscanned = 0;
    if (good && scanner.scan({ last }) === 'more') return;
    await input.handOver(scanner.rest);
  }

  return {
    async feed(bytes) {
      const good = text.take(bytes);
      scanner.append(bytes);
      unscanned += bytes.length;
      if (!good || unscanned >= input.scanAt) await scan(good, false);
    },
    end: () => scan(text.end(), true),
  };
}
