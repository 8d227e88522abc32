import type { Dataset } from '../datasets/dataset.ts';
import { isFinal, TidemarkFailure } from '../domain/failures.ts';
import { BEGIN_MS } from '../domain/slots.ts';
import { RefusedUnasked, SmallFiles, type SmallFile } from '../postgres/applyFew.ts';
import { loadedKeys } from '../postgres/ledger.ts';
import type { Session } from '../postgres/pool.ts';
import type { Reject } from '../rows/row.ts';
import { findDataset, type Attempt, type Deps } from './deps.ts';
import type { LoadFileResult, LoadSmallFilesInput, LoadSmallFilesResult } from './interface.ts';
import { leash } from './leash.ts';
import { remembering } from './loadFile.ts';
import { isRefused, refuse } from './loadJob.ts';
import { ReadAhead, TooManyRows, type ReadFile } from './readAhead.ts';

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
  const batch = {
    deps,
    dataset,
    input,
    attempt,
    signal: time.signal,
    deadline: Date.now() + BEGIN_MS,
    results,
  };
  try {
    return await deps.pool.withSession(time.signal, (session) => loadEach(session, batch));
  } catch (error) {
    // What the end of the time breaks off fails in many ways, none of which says anything of a file.
    if (time.isOver()) return { results };
    return endOf(error, results, attempt);
  } finally {
    time.release();
  }
}

type Listed = LoadSmallFilesInput['files'][number];

interface Batch {
  readonly deps: Deps;
  readonly dataset: Dataset;
  readonly input: LoadSmallFilesInput;
  readonly attempt: Attempt;
  /** Ends the attempt, or its time. */
  readonly signal: AbortSignal;
  /** No further file is begun after it, milliseconds since the epoch. */
  readonly deadline: number;
  /** Of the files that are loaded, in order: what is in here holds however the rest ends. */
  readonly results: LoadFileResult[];
}

/** Loads the files on one connection. */
async function loadEach(session: Session, batch: Batch): Promise<LoadSmallFilesResult> {
  const { deps, dataset, input, attempt, results } = batch;
  const { provenance } = attempt;
  const line = await openLine(session, batch);
  for (const [index, file] of input.files.entries()) {
    if (index > 0 && line.isLate()) return { results, unfinished: true };
    let isAsked = false;
    const load = (rejects: Reject[]): Promise<LoadFileResult> =>
      line.load(index, rejects, () => (isAsked = true));
    try {
      results.push(await remembering(deps, { dataset, file, provenance }, load));
    } catch (error) {
      // What is refused as it is read leaves a connection as good as it was.
      if (isAsked) throw error;
      return endOf(error, results, attempt);
    }
    if (results.at(-1)?.outcome !== 'replaced') continue;
    // Skipped by a person while PostgreSQL refused it: what failed there destroys its connection.
    if (isAsked) throw new RefusedUnasked();
    return { results };
  }
  return { results };
}

/** The files on their way through a connection. */
interface Line {
  /** Whether no further file is to be begun, and none is. */
  isLate(): boolean;
  /** @param asking called once the file is read: what fails from then on may leave the connection in any state */
  load(index: number, rejects: Reject[], asking: () => void): Promise<LoadFileResult>;
}

async function openLine(
  session: Session,
  { deps, dataset, input, attempt, signal, deadline }: Batch,
): Promise<Line> {
  const { files } = input;
  const { provenance } = attempt;
  let knownWatermark = input.watermark;
  const zone = await session.zone();
  const ahead = new ReadAhead({ store: deps.store, dataset, zone, files, signal });
  const keys = files.map(({ key }) => key);
  const loaded = await loadedKeys(session, dataset.name, keys);
  const small = new SmallFiles(session);
  const job = (file: Listed, read: ReadFile, startedAt: number): SmallFile => {
    const turn = { dataset, knownWatermark, patience: 'none', startedAt, provenance } as const;
    return { ...file, ...turn, ...read };
  };
  /** The file behind, where it can be begun before it is known what becomes of this one. */
  const behind = (index: number): SmallFile | undefined => {
    const file = files[index + 1];
    const read = ahead.readyAt(index + 1);
    if (!file || !read || loaded.has(file.key) || isRefused(dataset, read.reading)) return undefined;
    return Date.now() > deadline ? undefined : job(file, read, Date.now());
  };
  return {
    isLate: () => !small.isAhead && Date.now() > deadline,
    async load(index, rejects, asking) {
      const file = files[index];
      if (!file || loaded.has(file.key)) return { outcome: 'already' };
      const startedAt = Date.now();
      const read = await ahead.take(index);
      refuse(dataset, read.reading, rejects);
      asking();
      const result = await small.apply(job(file, read, startedAt), () => behind(index));
      if (result.outcome === 'applied') knownWatermark = result.watermark;
      return result;
    },
  };
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
