import { createHash } from 'node:crypto';

/** Bytes handed on at once: what bounds the memory that a row may take before its length is looked at. */
const PIECE_BYTES = 64 * 1024;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** The object's bytes, counted and hashed as they come. */
export class ObjectSum {
  private readonly hash = createHash('sha256');
  private count = 0;

  /** Hands the chunks on. */
  async *of(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    for await (const chunk of chunks) {
      this.hash.update(chunk);
      this.count += chunk.length;
      yield chunk;
    }
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.count;
  }

  /** Bytes and hash of all; ends it. */
  end(): { bytes: number; sha256: string } {
    return { bytes: this.count, sha256: this.hash.digest('hex') };
  }
}

/** A file's text in bounded pieces, without a byte order mark. */
export class TextPieces {
  /** The first bytes, as long as they may be a byte order mark; undefined once that is settled. */
  private head: Buffer | undefined = Buffer.alloc(0);

  /** The pieces that these bytes make. */
  *take(chunk: Buffer): Generator<Buffer> {
    yield* pieces(this.head ? this.withoutBom(Buffer.concat([this.head, chunk])) : chunk);
  }

  /** What was held back: a file of less than three bytes. */
  *rest(): Generator<Buffer> {
    if (this.head) yield* pieces(this.head);
    this.head = undefined;
  }

  private withoutBom(bytes: Buffer): Buffer {
    this.head = undefined;
    if (bytes.subarray(0, 3).equals(BOM)) return bytes.subarray(3);
    if (bytes.length >= 3 || !BOM.subarray(0, bytes.length).equals(bytes)) return bytes;
    this.head = bytes;
    return Buffer.alloc(0);
  }
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}
