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

  /** Whether there is a block to take, now or later. */
  async hasMore(): Promise<boolean> {
    while (this.items.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return this.items.length > 0;
  }

  /** Gives the next block to a sink. @returns its bytes; 0 where there is none */
  async giveTo(sink: RowSink): Promise<number> {
    const [item] = this.items;
    if (!item) return 0;
    await sink.write(item.block);
    this.items.shift();
    item.taken();
    return item.block.length;
  }
}
