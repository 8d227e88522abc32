import type { RecordHandler, RecordSource } from '../rows/records.ts';
import { csvParseRecords } from './csvParseRecords.ts';
import { Scanner } from './scanner.ts';
import { TextCheck } from './textCheck.ts';

/** A header is given to csv-parse in such pieces: what it reads beyond the header is read twice. */
const HEADER_PIECE = 512;
/** What csv-parse takes over is given to it in such pieces, so that it looks at a record's length in between. */
const PIECE = 64 * 1024;

/**
 * The records of a change file: csv-parse reads the header, the scanner what follows, and csv-parse again from the
 * first record that the scanner does not know, to say what is wrong with it.
 *
 * @param options.scanAt how many new bytes are waited for before the next scan. A record that is still open is
 *   scanned again from its beginning, so that many small chunks would cost their square.
 */
export function changeFileRecords(
  handler: RecordHandler,
  options: { readonly scanAt?: number } = {},
): RecordSource {
  let phase: RecordSource = headerPhase();

  function headerPhase(): RecordSource {
    const seen: Buffer[] = [];
    let headerEnd = -1;
    const parser = csvParseRecords((record, end) => {
      // csv-parse may have found more records, but they are the scanner's.
      if (headerEnd >= 0) return;
      handler(record);
      headerEnd = end;
    });

    /** Lets csv-parse read on. What it finds wrong behind the header is to be found again, in its turn. */
    async function hasHeader(read: Promise<void>): Promise<boolean> {
      try {
        await read;
      } catch (error) {
        if (headerEnd < 0) throw error;
      }
      return headerEnd >= 0;
    }

    async function scanFrom(rest: Buffer): Promise<void> {
      const all = Buffer.concat([...seen, rest]);
      phase = scanPhase(1 + breaksIn(all.subarray(0, headerEnd)));
      await phase.feed(all.subarray(headerEnd));
    }

    return {
      async feed(bytes) {
        for (let at = 0; at < bytes.length; at += HEADER_PIECE) {
          const piece = bytes.subarray(at, at + HEADER_PIECE);
          seen.push(Buffer.from(piece));
          if (await hasHeader(parser.feed(piece))) return scanFrom(bytes.subarray(at + HEADER_PIECE));
        }
      },
      async end() {
        if (!(await hasHeader(parser.end()))) return;
        await scanFrom(Buffer.alloc(0));
        await phase.end();
      },
    };
  }

  function scanPhase(firstLine: number): RecordSource {
    const scanner = new Scanner(handler, firstLine);
    const text = new TextCheck();
    const scanAt = options.scanAt ?? PIECE;
    let unscanned = 0;

    /** Scans, if the text is good; else, or where the scanner is at a loss, csv-parse takes over. */
    async function scan(good: boolean, last: boolean): Promise<void> {
      unscanned = 0;
      if (good && scanner.scan({ last }) === 'more') return;
      const { bytes, line } = scanner.rest;
      phase = csvParseRecords(handler, line);
      for (let at = 0; at < bytes.length; at += PIECE) await phase.feed(bytes.subarray(at, at + PIECE));
      if (last) await phase.end();
    }

    return {
      async feed(bytes) {
        const good = text.take(bytes);
        scanner.append(bytes);
        unscanned += bytes.length;
        if (!good || unscanned >= scanAt) await scan(good, false);
      },
      end: () => scan(text.end(), true),
    };
  }

  return {
    feed: (bytes) => phase.feed(bytes),
    end: () => phase.end(),
  };
}

function breaksIn(bytes: Buffer): number {
  let breaks = 0;
  for (const byte of bytes) if (byte === 0x0a) breaks += 1;
  return breaks;
}
