/** Reading small files ahead of their turn. */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { readChangeFile } from '../rows/readFile.ts';
import type { Reading } from '../rows/row.ts';
import type { ZoneHistory } from '../rows/zone.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import type { LoadSmallFilesInput } from './interface.ts';

/** Objects read ahead while one is applied; each is at most `SMALL_FILE_BYTES`, and its rows at most `MAX_ROW_BYTES`. */
const READ_AHEAD = 4;

/** Rows that a small file may hold in memory: more can be packed into it, and is for `loadFile`, which holds none. */
const MAX_ROW_BYTES = 8 * 1024 * 1024;

/** A small file has more rows than are held. */
export class TooManyRows extends Error {}

/** A small file, read and checked. */
export interface ReadFile {
  readonly reading: Reading;
  /** Its rows, as they are staged. */
  readonly blocks: readonly Buffer[];
}

interface ReadAheadInput {
  readonly store: ObjectStore;
  readonly dataset: Dataset;
  readonly zone: ZoneHistory;
  readonly files: LoadSmallFilesInput['files'];
  readonly signal: AbortSignal;
}

/** Small files, read and checked a few ahead of the one that is asked for, while PostgreSQL works on that. */
export class ReadAhead {
  readonly #input: ReadAheadInput;
  readonly #begun = new Map<number, Promise<ReadFile>>();
  readonly #ready = new Map<number, ReadFile>();

  constructor(input: ReadAheadInput) {
    this.#input = input;
  }

  async take(index: number): Promise<ReadFile> {
    for (let i = index; i <= index + READ_AHEAD && i < this.#input.files.length; i++) void this.#begin(i);
    const file = await this.#begin(index);
    this.#begun.delete(index);
    this.#ready.delete(index);
    return file;
  }

  /** A file that is read by now. */
  readyAt(index: number): ReadFile | undefined {
    return this.#ready.get(index);
  }

  #begin(index: number): Promise<ReadFile> {
    const begun = this.#begun.get(index);
    if (begun) return begun;
    const file = this.#read(index);
    // One that fails is heard when it is asked for, if ever.
    file.then(
      (read) => this.#ready.set(index, read),
      () => undefined,
    );
    this.#begun.set(index, file);
    return file;
  }

  async #read(index: number): Promise<ReadFile> {
    const { store, dataset, zone, files, signal } = this.#input;
    const file = files[index];
    if (!file) throw new TidemarkFailure('InternalError', 'read ahead past the last file');
    const { chunks } = await store.read({ key: file.key, etag: file.etag, signal });
    const blocks: Buffer[] = [];
    // Copied: the reader writes its next rows where these are.
    let bytes = 0;
    const write = async (block: Buffer): Promise<void> => {
      bytes += block.length;
      if (bytes > MAX_ROW_BYTES) throw new TooManyRows();
      blocks.push(Buffer.from(block));
    };
    const reading = await readChangeFile({ dataset, key: file.key, zone, chunks, sink: { write } });
    return { reading, blocks };
  }
}
