import { Decompress } from 'fzstd';
import xxhash, { type XXHash, type XXHashAPI } from 'xxhash-wasm';
import { FormatFault } from './fault.ts';
import { corrupt, readBlockHeader, readFrameHeader, type FrameHeader } from './zstdFrame.ts';

const CHECKSUM_BYTES = 4;

let hashes: Promise<XXHashAPI> | undefined;

/**
 * Unpacks Zstandard, of one frame or several, block by block: at most 128 KiB at once and a window of 8 MiB, whatever the
 * bytes say. The checksum and the length of a frame are checked where it has them; fzstd looks at neither.
 *
 * @throws FormatFault where it is cut short, corrupt or followed by something else; what `chunks` throws as it is
 */
export async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const frames = new Frames(await (hashes ??= xxhash()));
  for await (const chunk of chunks) yield* frames.take(chunk);
  frames.end();
}

/** A frame being unpacked. */
interface OpenFrame extends FrameHeader {
  readonly decompress: Decompress;
  readonly hash: XXHash<bigint>;
  readonly out: Buffer[];
  bytes: bigint;
  /** The header, which goes to fzstd together with the first block. */
  begun: Buffer | undefined;
}

class Frames {
  private readonly hashes: XXHashAPI;
  private pending: Buffer = Buffer.alloc(0);
  private frame: OpenFrame | undefined;
  /** Bytes of a skippable frame that are still to come. */
  private toSkip = 0;
  private any = false;

  constructor(hashes: XXHashAPI) {
    this.hashes = hashes;
  }

  *take(chunk: Buffer): Generator<Buffer, void> {
    this.pending = this.pending.length > 0 ? Buffer.concat([this.pending, chunk]) : chunk;
    while (this.pending.length > 0) {
      if (this.toSkip > 0) this.toSkip -= this.drop(Math.min(this.toSkip, this.pending.length)).length;
      else if (this.frame) {
        const packed = this.nextBlock(this.frame);
        if (!packed) break;
        yield* this.unpack(this.frame, packed);
      } else if (!this.begin()) break;
    }
    // A copy, not a view: the store's chunk is its own.
    this.pending = Buffer.from(this.pending);
  }

  end(): void {
    if (this.frame || this.toSkip > 0 || this.pending.length > 0 || !this.any)
      throw new FormatFault({ what: 'the zstd data is cut short', code: 'ZSTD_CUT' });
  }

  private begin(): boolean {
    const header = readFrameHeader(this.pending);
    if (!header) return false;
    this.any = true;
    if (header.skippable) {
      this.toSkip = header.length;
      return true;
    }
    const out: Buffer[] = [];
    const decompress = new Decompress((block) =>
      out.push(Buffer.from(block.buffer, block.byteOffset, block.length)),
    );
    const begun = this.drop(header.length);
    this.frame = { ...header, decompress, out, hash: this.hashes.create64(), bytes: 0n, begun };
    return true;
  }

  /** A whole block, the last with the checksum behind it. */
  private nextBlock({
    hasChecksum,
  }: OpenFrame): { readonly bytes: Buffer; readonly last: boolean } | undefined {
    const block = readBlockHeader(this.pending);
    if (!block) return undefined;
    const length = block.length + (block.last && hasChecksum ? CHECKSUM_BYTES : 0);
    if (this.pending.length < length) return undefined;
    return { bytes: this.drop(length), last: block.last };
  }

  private *unpack(
    frame: OpenFrame,
    { bytes, last }: { bytes: Buffer; last: boolean },
  ): Generator<Buffer, void> {
    const packed = frame.begun ? Buffer.concat([frame.begun, bytes]) : bytes;
    frame.begun = undefined;
    try {
      // fzstd lets go of what it was given only once it had to wait for more: given whole blocks it would keep the whole file.
      frame.decompress.push(packed.subarray(0, 1));
      frame.decompress.push(packed.subarray(1), last);
    } catch {
      throw corrupt();
    }
    for (const block of frame.out.splice(0)) {
      frame.bytes += BigInt(block.length);
      if (frame.hasChecksum) frame.hash.update(block);
      if (block.length > 0) yield block;
    }
    if (last) this.close(frame, bytes);
  }

  private close({ hasChecksum, contentBytes, hash, bytes }: OpenFrame, lastBlock: Buffer): void {
    this.frame = undefined;
    if (contentBytes !== undefined && contentBytes !== bytes) throw corrupt();
    const told = hasChecksum ? lastBlock.readUInt32LE(lastBlock.length - CHECKSUM_BYTES) : 0;
    if (hasChecksum && told !== Number(hash.digest() & 0xffffffffn)) throw corrupt();
  }

  private drop(length: number): Buffer {
    const dropped = this.pending.subarray(0, length);
    this.pending = this.pending.subarray(length);
    return dropped;
  }
}
