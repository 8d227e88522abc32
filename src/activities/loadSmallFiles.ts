import { isFinal, TidemarkFailure } from '../domain/failures.ts';
import { loadedKeys } from '../postgres/ledger.ts';
import type { Reject } from '../rows/row.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { LoadFileResult, LoadSmallFilesInput, LoadSmallFilesResult } from './interface.ts';
import { findLoaded, remembering, stageAndApply, type LoadJob } from './loadFile.ts';

/** No further file is begun after this; the local activity's own bound is well above. */
const TIME_BUDGET_MS = 3_000;

/** Objects read ahead while one is applied; each is at most `SMALL_FILE_BYTES`. */
const READ_AHEAD = 4;

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
  const deadline = Date.now() + TIME_BUDGET_MS;
  const { provenance } = attempt;
  const ahead = new ReadAhead(deps, input.files, attempt.signal);
  try {
    return await deps.pool.withSession(attempt.signal, async (session) => {
      const keys = input.files.map(({ key }) => key);
      const loaded = await loadedKeys(session, dataset.name, keys);
      for (const [index, file] of input.files.entries()) {
        if (index > 0 && Date.now() > deadline) return { results, unfinished: true };
        const load = async (rejects: Reject[]): Promise<LoadFileResult> => {
          const found = loaded.has(file.key)
            ? await findLoaded(session, { dataset, file, provenance })
            : undefined;
          if (found) return found;
          // Read before the COPY begins: an object that is gone leaves the connection as it was.
          const body = await ahead.take(index);
          const job: LoadJob = { dataset, file, patience: 'none', provenance, open: async () => body };
          return stageAndApply(session, job, rejects);
        };
        results.push(await remembering(deps, { dataset, file, provenance }, load));
        if (results.at(-1)?.outcome === 'replaced') return { results };
      }
      return { results };
    });
  } catch (error) {
    if (attempt.signal.aborted || !(error instanceof TidemarkFailure)) throw error;
    if (!isFinal(error.kind)) return { results };
    return { results, failure: { kind: error.kind, message: error.message, details: error.details } };
  }
}

/** Whole small objects, read a few ahead of the one that is asked for. */
class ReadAhead {
  readonly #deps: Deps;
  readonly #files: LoadSmallFilesInput['files'];
  readonly #signal: AbortSignal;
  readonly #bodies = new Map<number, Promise<Buffer>>();

  constructor(deps: Deps, files: LoadSmallFilesInput['files'], signal: AbortSignal) {
    this.#deps = deps;
    this.#files = files;
    this.#signal = signal;
  }

  async take(index: number): Promise<{ readonly chunks: AsyncIterable<Buffer> }> {
    for (let i = index; i <= index + READ_AHEAD && i < this.#files.length; i++) void this.#begin(i);
    const body = await this.#begin(index);
    this.#bodies.delete(index);
    return {
      chunks: (async function* () {
        yield body;
      })(),
    };
  }

  #begin(index: number): Promise<Buffer> {
    const begun = this.#bodies.get(index);
    if (begun) return begun;
    const body = this.#read(index);
    // One that fails is heard when it is asked for, if ever.
    body.catch(() => undefined);
    this.#bodies.set(index, body);
    return body;
  }

  async #read(index: number): Promise<Buffer> {
    const file = this.#files[index];
    if (!file) throw new TidemarkFailure('InternalError', 'read ahead past the last file');
    const body = await this.#deps.store.read({ key: file.key, etag: file.etag, signal: this.#signal });
    const chunks: Buffer[] = [];
    for await (const chunk of body.chunks) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}
