import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { FormatFault } from './fault.ts';

/** Unpacked at once. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Unpacks gzip, of one member or several, in pieces of up to 64 KiB; the CRC and the length of each are checked.
 *
 * @throws FormatFault where it is cut short, corrupt or followed by something else; what `chunks` throws as it is
 */
export async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let given = 0;
  async function* counted(): AsyncGenerator<Buffer, void> {
    for await (const chunk of chunks) {
      given += chunk.length;
      yield chunk;
    }
  }
  const unpacked = createGunzip({ chunkSize: CHUNK_BYTES });
  // Its failure comes to the loop below, as whatever was thrown.
  pipeline(Readable.from(counted(), { objectMode: true, highWaterMark: 1 }), unpacked, () => undefined);
  try {
    for await (const piece of unpacked as AsyncIterable<Buffer>) yield piece;
  } catch (error) {
    throw ours(error);
  }
  if (given === 0) throw new FormatFault({ what: 'the gzip data is empty', code: 'GZIP_CUT' });
  if (unpacked.bytesWritten !== given)
    throw new FormatFault({ what: 'something else follows the gzip data', code: 'GZIP_TRAILING' });
}

/** zlib's codes; any other error is the source's. */
function ours(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR')
    return new FormatFault({ what: 'the gzip data is cut short', code: 'GZIP_CUT' });
  if (typeof code === 'string' && code.startsWith('Z_'))
    return new FormatFault({ what: 'the gzip data is corrupt, or no gzip', code: 'GZIP_CORRUPT' });
  return error;
}
