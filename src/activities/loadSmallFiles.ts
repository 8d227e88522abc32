import type { Dataset } from '../datasets/dataset.ts';
import { isFinal, TidemarkFailure } from '../domain/failures.ts';
import { BEGIN_MS } from '../domain/slots.ts';
import { applyFew, RefusedUnasked } from '../postgres/applyFew.ts';
import { loadedKeys } from '../postgres/ledger.ts';
import type { Session } from '../postgres/pool.ts';
import { readChangeFile } from '../rows/readFile.ts';
import type { Reading, Reject } from '../rows/row.ts';
import type { ZoneHistory } from '../rows/zone.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { LoadFileResult, LoadSmallFilesInput, LoadSmallFilesResult } from './interface.ts';
import { leash } from './leash.ts';
import { remembering } from './loadFile.ts';
import { refuse } from './loadJob.ts';

/** Objects read ahead while one is applied; each is at most `SMALL_FILE_BYTES`, and its rows at most `MAX_ROW_BYTES`. */
const READ_AHEAD = 4;

/** Rows that a small file may hold in memory: more can be packed into it, and is for `loadFile`, which holds none. */
const MAX_ROW_BYTES = 8 * 1024 * 1024;

/** A small file has more rows than are held. */
class TooManyRows extends Error {}

/**
 * Loads small files one after the other on one connection, each in a transaction of its own, reading ahead. One try,
 * no waiting for a lock: it ends at the first file that does not load, which is then for `loadFile`.
 */
export async function loadSmallFiles(
  deps: Deps,
  input: LoadSmallFilesInput,
  attempt: Attempt,
): Promise<LoadSmallFilesResult> {
  const dataset = findDataset(deps.datasets, input.dataset);
  const results: LoadFileResult[] = [];
  const time = leash(attempt.signal, input.withinMs);
  const batch: Batch = { deps, dataset, input, attempt, deadline: Date.now() + BEGIN_MS, results };
  try {
    return await deps.pool.withSession(time.signal, (session) => loadEach(session, batch, time.signal));
  } catch (error) {
    // What the end of the time breaks off fails in many ways, none of which says anything of a file.
    if (time.isOver()) return { results };
    return endOf(error, results, attempt);
  } finally {
    time.release();
  }
}

interface Batch {
  readonly deps: Deps;
  readonly dataset: Dataset;
  readonly input: LoadSmallFilesInput;
  readonly attempt: Attempt;
  /** No further file is begun after it, milliseconds since the epoch. */
  readonly deadline: number;
  /** Of the files that are loaded, in order: what is in here holds however the rest ends. */
  readonly results: LoadFileResult[];
}

/** Loads the files on one connection. */
async function loadEach(
  session: Session,
  { deps, dataset, input, attempt, deadline, results }: Batch,
  signal: AbortSignal,
): Promise<LoadSmallFilesResult> {
  const { files } = input;
  const { provenance } = attempt;
  let knownWatermark = input.watermark;
  const zone = await session.zone();
  const ahead = new ReadAhead({ store: deps.store, dataset, zone, files, signal });
  const keys = files.map(({ key }) => key);
  const loaded = await loadedKeys(session, dataset.name, keys);
  for (const [index, file] of files.entries()) {
    if (index > 0 && Date.now() > deadline) return { results, unfinished: true };
    let isAsked = false;
    const load = async (rejects: Reject[]): Promise<LoadFileResult> => {
      if (loaded.has(file.key)) return { outcome: 'already' };
      const startedAt = Date.now();
      const read = await ahead.take(index);
      refuse(dataset, read.reading, rejects);
      isAsked = true;
      return loadOne(session, { dataset, file, provenance, startedAt, knownWatermark }, read);
    };
    try {
      results.push(await remembering(deps, { dataset, file, provenance }, load));
    } catch (error) {
      // What is refused as it is read leaves a connection as good as it was.
      if (isAsked) throw error;
      return endOf(error, results, attempt);
    }
    const last = results.at(-1);
    if (last?.outcome === 'replaced') return { results };
    if (last?.outcome === 'applied') knownWatermark = last.watermark;
  }
  return { results };
}

/** How a batch ends by what was thrown; thrown on where it says nothing of a file. */
function endOf(
  error: unknown,
  results: readonly LoadFileResult[],
  { signal }: Attempt,
): LoadSmallFilesResult {
  if (error instanceof TooManyRows || error instanceof RefusedUnasked) return { results };
  if (signal.aborted || !(error instanceof TidemarkFailure)) throw error;
  if (!isFinal(error.kind)) return { results };
  return { results, failure: { kind: error.kind, message: error.message, details: error.details } };
}

interface LoadOneInput {
  readonly dataset: Dataset;
  readonly file: LoadSmallFilesInput['files'][number];
  readonly provenance: Attempt['provenance'];
  readonly startedAt: number;
  readonly knownWatermark: string | undefined;
}

/** Applies a file that was read. */
function loadOne(
  session: Session,
  { file, ...input }: LoadOneInput,
  { reading, blocks }: ReadFile,
): Promise<LoadFileResult> {
  return applyFew(session, { ...file, ...input, reading, patience: 'none' }, blocks);
}

/** A small file, read and checked. */
interface ReadFile {
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
class ReadAhead {
  readonly #input: ReadAheadInput;
  readonly #begun = new Map<number, Promise<ReadFile>>();

  constructor(input: ReadAheadInput) {
    this.#input = input;
  }

  async take(index: number): Promise<ReadFile> {
    for (let i = index; i <= index + READ_AHEAD && i < this.#input.files.length; i++) void this.#begin(i);
    const file = await this.#begin(index);
    this.#begun.delete(index);
    return file;
  }

  #begin(index: number): Promise<ReadFile> {
    const begun = this.#begun.get(index);
    if (begun) return begun;
    const file = this.#read(index);
    // One that fails is heard when it is asked for, if ever.
    file.catch(() => undefined);
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
