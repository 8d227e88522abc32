import type { RowSink } from '../rows/row.ts';

/** A block that somebody waits to be rid of. */
interface Item {
  readonly block: Buffer;
  readonly taken: (error?: unknown) => void;
}

/** Blocks between who reads a file and who hands its rows to PostgreSQL; how many there may be, the reader decides. */
export class BlockQueue implements RowSink {
  private readonly items: Item[] = [];
  private ended = false;
  private failure: { readonly error: unknown } | undefined;
  private wake: () => void = () => undefined;

  /** Adds a block; resolves when it has been taken. */
  write(block: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const taken = (error?: unknown): void => (error === undefined ? resolve() : reject(error));
      if (this.failure) taken(this.failure.error);
      else this.items.push({ block, taken });
      this.wake();
    });
  }

  /** No block follows. */
  end(): void {
    this.ended = true;
    this.wake();
  }

  /** Fails what waits, and all that is added from now on. */
  fail(error: unknown): void {
    this.failure = { error };
    for (const { taken } of this.items.splice(0)) taken(error);
  }

  /**
   * Takes the blocks that are there, of so many bytes together; waits for one where there is none. No blocks where none
   * follows. Their buffers are used again after `done`.
   */
  async take(bytes: number): Promise<{ readonly blocks: readonly Buffer[]; done(): void }> {
    while (this.items.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    let count = 0;
    for (let size = 0; size < bytes && count < this.items.length; count += 1) {
      size += this.items[count]?.block.length ?? 0;
    }
    const taken = this.items.slice(0, count);
    return {
      blocks: taken.map(({ block }) => block),
      done: () => {
        for (const item of this.items.splice(0, count)) item.taken();
      },
    };
  }
}
