import type { Cell } from './cell.ts';

/** Up to so many keys are looked up one by one; more go into a filter of a fixed size. */
const FEW_KEYS = 4096;
/** 16 MiB: up to two million different keys in any order it is unlikely that any of them is taken for a repeated one. */
const FILTER_BITS = 2 ** 27;
const PROBES = 8;
/** Keys in order are only noted, in pieces of so many numbers, of which there are no more bytes than in that filter. */
const FIRST_PIECE = 256;
const PIECE = 32 * 1024;
const MOST_PIECES = FILTER_BITS / 32 / PIECE;

/**
 * Says of a file's primary keys that none is repeated, or that one may be: PostgreSQL then looks. Files nearly never
 * repeat a key, and a look over all of them would cost the merge a tenth of its time.
 *
 * A Bloom filter: memory does not grow with the file, and "none" is certain. Keys are hashed without a secret; who makes
 * keys collide makes one load slower. A key above all that came before, or below them, is a new one whatever the filter
 * says: a file in the order of its keys, as large exports mostly are, is known to repeat none, however large it is. What
 * it would be asked is noted until the first key out of order, or two million keys: to look into so large a filter takes
 * longer than all else.
 */
export class KeyFilter {
  /** Whether some key may have been there before. */
  mayRepeat = false;
  /** Hashes of the keys so far, two numbers each, while each was above the one before. */
  private ordered: Int32Array[] | undefined = [];
  private piece = new Int32Array(0);
  /** Numbers in the last piece. */
  private filled = 0;
  private readonly few = new Set<number>();
  private bits: Uint32Array | undefined;
  private readonly least = new OwnCell();
  private readonly greatest = new OwnCell();

  add(key: Cell): void {
    const side = this.widens(key);
    // FNV-1a over every other byte each: both together tell as many keys apart as one hash of 64 bits.
    const { bytes, to } = key;
    let even = 0x811c9dc5;
    let odd = 0x9747b28c ^ key.length;
    for (let at = key.from; at < to; at += 2) {
      even = Math.imul(even ^ (bytes[at] ?? 0), 0x01000193);
      if (at + 1 < to) odd = Math.imul(odd ^ (bytes[at + 1] ?? 0), 0x01000193);
    }
    const one = mixed(even + Math.imul(odd, 0x9e3779b1));
    const other = mixed(odd ^ Math.imul(even, 0x85ebca77));
    if (this.ordered) {
      if (side === 'above' && this.ordered.length < MOST_PIECES) return this.note(this.ordered, one, other);
      this.lookUp(this.ordered);
    }
    const isNew = this.addHash(one, other);
    if (!isNew && side === 'within') this.mayRepeat = true;
  }

  /** Widens the range of the keys by one. @returns where it was of what was the range before */
  private widens(key: Cell): 'above' | 'below' | 'within' {
    if (!this.greatest.isThere) {
      this.greatest.copy(key);
      this.least.copy(key);
      return 'above';
    }
    if (this.greatest.compare(key) < 0) {
      this.greatest.copy(key);
      return 'above';
    }
    if (this.least.compare(key) <= 0) return 'within';
    this.least.copy(key);
    return 'below';
  }

  private note(ordered: Int32Array[], one: number, other: number): void {
    if (this.filled === this.piece.length) {
      this.piece = new Int32Array(this.filled === 0 ? FIRST_PIECE : PIECE);
      this.filled = 0;
      ordered.push(this.piece);
    }
    this.piece[this.filled] = one;
    this.piece[this.filled + 1] = other;
    this.filled += 2;
  }

  /** Makes of what was noted what is looked up. */
  private lookUp(ordered: readonly Int32Array[]): void {
    this.ordered = undefined;
    for (const piece of ordered) {
      const filled = piece === this.piece ? this.filled : piece.length;
      for (let at = 0; at < filled; at += 2) this.addHash(piece[at] ?? 0, piece[at + 1] ?? 0);
    }
    this.piece = new Int32Array(0);
  }

  /** @returns whether it is certainly a new one */
  private addHash(one: number, other: number): boolean {
    if (this.bits) return this.setBits(this.bits, one, other);
    const both = (one >>> 0) * 2 ** 21 + (other >>> 11);
    const isNew = !this.few.has(both);
    this.few.add(both);
    if (this.few.size > FEW_KEYS) this.spill();
    return isNew;
  }

  /** Moves what was remembered into the filter. */
  private spill(): void {
    this.bits = new Uint32Array(FILTER_BITS / 32);
    for (const both of this.few) {
      const one = Math.floor(both / 2 ** 21) | 0;
      this.setBits(this.bits, one, (both % 2 ** 21) * 2 ** 11);
    }
    this.few.clear();
  }

  /** Sets a key's bits. @returns whether one of them was not set before */
  private setBits(bits: Uint32Array, one: number, other: number): boolean {
    let isNew = false;
    // The low bits of the second hash are not remembered for the first keys.
    const step = (other >>> 11) | 1;
    for (let probe = 0; probe < PROBES; probe += 1) {
      const place = (one + Math.imul(probe, step)) >>> 5;
      const bit = 1 << (place & 31);
      const word = bits[place >>> 5] ?? 0;
      if ((word & bit) === 0) {
        isNew = true;
        bits[place >>> 5] = word | bit;
      }
    }
    return isNew;
  }
}

/** A copy of a key, in bytes that are used again; none at first. Loops: of so few bytes `Buffer`'s own calls take longer. */
class OwnCell {
  private bytes = Buffer.allocUnsafe(64);
  private length = -1;

  get isThere(): boolean {
    return this.length >= 0;
  }

  copy({ bytes, from, to }: Cell): void {
    if (to - from > this.bytes.length) this.bytes = Buffer.allocUnsafe(2 * (to - from));
    for (let at = from; at < to; at += 1) this.bytes[at - from] = bytes[at] ?? 0;
    this.length = to - from;
  }

  /** Below 0 where the key is above this one, by bytes. */
  compare({ bytes, from, to }: Cell): number {
    const both = Math.min(this.length, to - from);
    for (let at = 0; at < both; at += 1) {
      const difference = (this.bytes[at] ?? 0) - (bytes[from + at] ?? 0);
      if (difference !== 0) return difference;
    }
    return this.length - (to - from);
  }
}

function mixed(hash: number): number {
  const half = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2ae35);
  return whole ^ (whole >>> 16);
}
