/** A small deterministic source of random numbers: the same seeds give the same stream on every machine. */

/** Random numbers of one ticket, file or site. */
export interface Random {
  /** A whole number from 0 up to, not including, the bound. */
  below(bound: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of them, each as likely. */
  pick<T>(items: readonly [T, ...T[]]): T;
}

/** @param seeds whole numbers, such as the seed of the sample and the number of a ticket. */
export function random(...seeds: readonly number[]): Random {
  let state = hash(seeds);
  // mulberry32: 32 bits of state are plenty for the few dozen numbers that one ticket needs.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (bound) => Math.floor(next() * bound),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
  };
}

/** Mixes the seeds (the finaliser of MurmurHash3 after each), so that neighbours have nothing in common. */
function hash(seeds: readonly number[]): number {
  let value = 0x9e3779b9;
  for (const seed of seeds) {
    value = Math.imul(value ^ seed, 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    value ^= value >>> 16;
  }
  return value;
}
