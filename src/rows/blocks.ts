import type { RowSink } from './row.ts';

/** Bytes of one block: large enough that PostgreSQL's round trips cost nothing, small enough for flat memory. */
const BLOCK_BYTES = 256 * 1024;

/** Gathers COPY lines into blocks of whole rows. */
export class Blocks {
  private readonly sink: RowSink;
  private text = '';

  constructor(sink: RowSink) {
    this.sink = sink;
  }

  /** Takes a line, a byte string. */
  add(line: string): void {
    this.text += line;
  }

  /** Whether a block is due. */
  get full(): boolean {
    return this.text.length >= BLOCK_BYTES;
  }

  /** Hands over what was gathered; resolves when more is welcome. */
  async flush(): Promise<void> {
    if (this.text === '') return;
    const block = Buffer.from(this.text, 'latin1');
    this.text = '';
    await this.sink.write(block);
  }

  /** Forgets what was gathered. */
  drop(): void {
    this.text = '';
  }
}
