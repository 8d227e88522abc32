import { Zstd } from '@hpcc-js/wasm-zstd';
import xxhash from 'xxhash-wasm';

/** A frame of Zstandard, with a checksum as `zstd` writes one. */
export async function zstd(text: Buffer, level = 3): Promise<Buffer> {
  return (await loadZstd())(text, level);
}

/** The same for who packs many, and cannot wait for each. */
export async function loadZstd(): Promise<(text: Buffer, level?: number) => Buffer> {
  const [codec, { create64 }] = [await Zstd.load(), await xxhash()];
  return (text, level = 3) => {
    const frame = Buffer.from(codec.compress(text, level));
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(Number(create64().update(text).digest() & 0xffffffffn));
    frame[4] = (frame[4] ?? 0) | 4;
    return Buffer.concat([frame, checksum]);
  };
}

/** A frame without a checksum. */
export async function zstdUnchecked(text: Buffer): Promise<Buffer> {
  return Buffer.from((await Zstd.load()).compress(text));
}

/** A frame that unpacks to many blocks of 128 KiB of one byte, four bytes each. */
export function zstdBomb(blocks: number, byte = 0x61): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]);
  const all = Array.from({ length: blocks }, (_, n) => {
    const block = Buffer.from([0, 0, 0, byte]);
    block.writeUIntLE(((128 * 1024) << 3) | (1 << 1) | Number(n === blocks - 1), 0, 3);
    return block;
  });
  return Buffer.concat([header, ...all]);
}

/** A frame of so many blocks of 128 KiB that are not compressed, one after the other. */
export async function* rawFrame(blocks: number): AsyncGenerator<Buffer> {
  yield Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]);
  for (let n = 0; n < blocks; n++) {
    const block = Buffer.alloc(3 + 128 * 1024, 0x61);
    block.writeUIntLE(((128 * 1024) << 3) | Number(n === blocks - 1), 0, 3);
    yield block;
  }
}
