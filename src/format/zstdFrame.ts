/** What a frame of Zstandard says of itself (RFC 8878, section 3.1.1). */

import { FormatFault } from './fault.ts';

/** The most that a frame may ask a reader to remember: what RFC 8878 recommends that every reader has. */
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
const MAX_BLOCK_BYTES = 128 * 1024;

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** A frame's beginning. */
export interface FrameHeader {
  /** How many bytes it has; of a skippable frame, all of them. */
  readonly length: number;
  readonly skippable: boolean;
  readonly hasChecksum: boolean;
  /** Bytes unpacked, where it says so. */
  readonly contentBytes: bigint | undefined;
}

/** A block's beginning. */
export interface BlockHeader {
  readonly last: boolean;
  /** Bytes of header and content, as they are packed. */
  readonly length: number;
}

/** Bytes of every header of a block. */
const BLOCK_HEADER_BYTES = 3;

/** @returns undefined where more bytes are needed */
export function readFrameHeader(bytes: Buffer): FrameHeader | undefined {
  if (bytes.length < 4) return undefined;
  const magic = bytes.readUInt32LE(0);
  if (magic >>> 4 === SKIPPABLE >>> 4) {
    if (bytes.length < 8) return undefined;
    return {
      length: 8 + bytes.readUInt32LE(4),
      skippable: true,
      hasChecksum: false,
      contentBytes: undefined,
    };
  }
  if (magic !== MAGIC) throw corrupt();
  if (bytes.length < 5) return undefined;
  const flags = bytes.readUInt8(4);
  if ((flags & 8) !== 0) throw corrupt();
  if ((flags & 3) !== 0) {
    throw new FormatFault({ what: 'the zstd data needs a dictionary', code: 'ZSTD_DICTIONARY' });
  }
  const single = (flags & 32) !== 0;
  const sizeAt = single ? 5 : 6;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  if (bytes.length < sizeAt + sizeBytes) return undefined;
  const contentBytes = sizeBytes === 0 ? undefined : contentSize(bytes, sizeAt, sizeBytes);
  const window = single ? Number(contentBytes) : windowSize(bytes.readUInt8(5));
  if (window > MAX_WINDOW_BYTES) {
    throw new FormatFault({ what: 'the zstd data has a window of more than 8 MiB', code: 'ZSTD_WINDOW' });
  }
  return { length: sizeAt + sizeBytes, skippable: false, hasChecksum: (flags & 4) !== 0, contentBytes };
}

/** @returns undefined where more bytes are needed */
export function readBlockHeader(bytes: Buffer): BlockHeader | undefined {
  if (bytes.length < BLOCK_HEADER_BYTES) return undefined;
  const header = bytes.readUIntLE(0, BLOCK_HEADER_BYTES);
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === 3 || size > MAX_BLOCK_BYTES) throw corrupt();
  // Type 1 is one byte, to be repeated.
  return { last: (header & 1) !== 0, length: BLOCK_HEADER_BYTES + (type === 1 ? 1 : size) };
}

/** Not to be unpacked. */
export function corrupt(): FormatFault {
  return new FormatFault({ what: 'the zstd data is corrupt, or no zstd', code: 'ZSTD_CORRUPT' });
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function contentSize(bytes: Buffer, at: number, length: number): bigint {
  if (length === 8) return bytes.readBigUInt64LE(at);
  return BigInt(bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0));
}
