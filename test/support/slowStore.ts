/** A world's store, some of whose datasets' objects come and go as slowly as a test wants. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import type { World } from './world.ts';

/** Bytes that come at once, and milliseconds between them: 80 kB/s. */
const PIECE = 8 * 1024;
const EVERY_MS = 100;

export class SlowStore {
  /** Pieces that have come slowly so far. */
  pieces = 0;
  /** Moves that have been asked for and were held. */
  held = 0;
  #free = (): void => undefined;
  readonly #freed = new Promise<void>((resolve) => (this.#free = resolve));

  /** @param reads whose objects come slowly; @param moves whose moves do not end */
  constructor(
    world: World,
    { reads = [], moves = [] }: Partial<Record<'reads' | 'moves', readonly Dataset[]>>,
  ) {
    const { store } = world.deps;
    const among = (datasets: readonly Dataset[], key: string): boolean =>
      datasets.some(({ changesPrefix }) => key.startsWith(changesPrefix));
    const read: typeof store.read = async (input) => {
      const body = await store.read(input);
      return among(reads, input.key) ? { ...body, chunks: this.#slowly(body.chunks, input.signal) } : body;
    };
    const moveAll: typeof store.moveAll = async (input) => {
      if (among(moves, input.moves[0]?.from ?? '')) {
        this.held += 1;
        await this.#wait(24 * 3600_000, input.signal);
      }
      return store.moveAll(input);
    };
    Object.assign(world.deps, { store: { ...store, read, moveAll } });
  }

  /** From now on all is as quick as it can be. */
  free(): void {
    this.#free();
  }

  async *#slowly(chunks: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    for await (const chunk of chunks)
      for (let at = 0; at < chunk.length; at += PIECE) {
        await this.#wait(EVERY_MS, signal);
        this.pieces += 1;
        yield chunk.subarray(at, at + PIECE);
      }
  }

  /** Until then, or it is free; fails as the store does where the call is cancelled. */
  async #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController();
    const cancelled = (): void => over.abort();
    signal?.addEventListener('abort', cancelled, { once: true });
    if (signal?.aborted) over.abort();
    await Promise.race([this.#freed, delay(ms, undefined, { signal: over.signal }).catch(() => undefined)]);
    over.abort();
    signal?.removeEventListener('abort', cancelled);
    if (signal?.aborted) throw new TidemarkFailure('Cancelled', 'the call of S3 was cancelled');
  }
}
