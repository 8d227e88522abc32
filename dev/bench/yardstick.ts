/** The machine's own noise: a fixed piece of computing, whose time says what else is going on. */

import { createHash } from 'node:crypto';

const BYTES = 4 * 1024 * 1024;
/** Makes about a tenth of a second on one core: long enough to be disturbed, short enough to be taken often. */
const ROUNDS = 12;

/** Milliseconds of the fixed piece, taken once for each round of a comparison. */
export class Yardstick {
  readonly #bytes = Buffer.alloc(BYTES, 'tidemark');
  readonly #samples: number[] = [];

  take(): void {
    const started = performance.now();
    for (let round = 0; round < ROUNDS; round++) createHash('sha256').update(this.#bytes).digest();
    this.#samples.push(performance.now() - started);
  }

  get samples(): readonly number[] {
    return this.#samples;
  }
}
