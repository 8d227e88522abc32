/** A run as the workflow makes it, with retries as Temporal makes them, without Temporal: fast enough for each step. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Attempt, Deps } from '../../../src/activities/deps.ts';
import type { ListedFile, LoadFileResult, MoveFilesResult } from '../../../src/activities/interface.ts';
import { listFiles } from '../../../src/activities/listFiles.ts';
import { loadFile } from '../../../src/activities/loadFile.ts';
import { loadSmallFiles } from '../../../src/activities/loadSmallFiles.ts';
import { moveFiles } from '../../../src/activities/moveFiles.ts';
import { addCounts, NO_ROWS, type RowCounts } from '../../../src/domain/counts.ts';
import { isFinal, TidemarkFailure } from '../../../src/domain/failures.ts';
import { NOTHING_SEEN } from '../../../src/domain/listing.ts';
import { SMALL_FILE_BYTES } from '../../../src/workflows/load.ts';
import { stepsOf } from '../../../src/workflows/steps.ts';
import { within } from './deadline.ts';

/** What a run reports. */
export interface Report {
  readonly applied: number;
  readonly rows: RowCounts;
  readonly watermark: string | undefined;
  readonly archived: number;
}

/** How a run goes on after failures. */
export interface IngestOptions {
  /** The longest that one attempt may take, milliseconds. */
  readonly attemptMs?: number;
  /** Aborted when the worker dies. */
  readonly signal?: AbortSignal;
  /** Told of each failure that is retried. */
  readonly onFailure?: (failure: TidemarkFailure) => void;
}

/** More than any scenario needs. */
const MAX_ATTEMPTS = 200;
const PAUSE_MS = 25;

let runs = 0;

/** One run to its end. Fails where an attempt hangs, fails for good, or fails with an error that is none of ours. */
export async function ingest(deps: Deps, options: IngestOptions = {}): Promise<Report> {
  const [{ name: dataset } = { name: '' }] = deps.datasets;
  const attempt: Attempt = {
    signal: options.signal ?? new AbortController().signal,
    provenance: { workflow_id: 'faults', run_id: `run-${(runs += 1)}` },
  };
  const retried = <T>(what: string, work: () => Promise<T>): Promise<T> => retry(what, work, options);
  let report: Report = { applied: 0, rows: NO_ROWS, watermark: undefined, archived: 0 };

  const move = async (files: readonly ListedFile[]): Promise<void> => {
    const input = {
      dataset,
      files: files.map(({ key, etag }) => ({ key, etag, to: 'processed' }) as const),
    };
    const { moved } = await retried<MoveFilesResult>('moveFiles', () => moveFiles(deps, input, attempt));
    report = { ...report, archived: report.archived + moved };
  };
  const load = async (files: readonly ListedFile[]): Promise<readonly LoadFileResult[]> => {
    const inputs = files.map(({ key, etag }) => ({ key, etag, mode: 'inOrder' }) as const);
    const large = files.findIndex(({ size }) => size > SMALL_FILE_BYTES);
    const small = inputs.slice(0, large < 0 ? inputs.length : large);
    const [first] = inputs;
    if (!first) return [];
    if (small.length > 0) {
      const tried = await once(
        'loadSmallFiles',
        () => loadSmallFiles(deps, { dataset, files: small }, attempt),
        options,
      );
      if (tried?.failure) throw new Error(tried.failure.message);
      if (tried && tried.results.length > 0) return tried.results;
    }
    return [await retried('loadFile', () => loadFile(deps, { dataset, ...first }, attempt))];
  };

  for (let relists = 0; relists < 10; relists++) {
    const listing = { dataset, limit: 500, seen: NOTHING_SEEN };
    const page = await retried('listFiles', () => listFiles(deps, listing, attempt));
    report = { ...report, watermark: page.watermark };
    let listAgain = false;
    for (const step of stepsOf(page.files)) {
      if (step.do === 'stop') throw new Error(`the dataset stops: ${step.file.failure?.message}`);
      if (step.do === 'wait') return report;
      if (step.do === 'move') await move(step.files);
      for (let left = step.do === 'load' ? step.files : []; left.length > 0 && !listAgain;) {
        const results = await load(left);
        const loaded = left.filter((_file, i) => /applied|already/.test(results[i]?.outcome ?? ''));
        for (const result of results) {
          if (result.outcome !== 'applied') continue;
          const { applied, rows } = report;
          report = {
            ...report,
            applied: applied + 1,
            rows: addCounts(rows, result.counts),
            watermark: result.watermark,
          };
        }
        if (loaded.length > 0) await move(loaded);
        listAgain = loaded.length < results.length;
        left = left.slice(results.length);
      }
      if (listAgain) break;
    }
    if (!listAgain) return report;
  }
  throw new Error('the run listed again and again');
}

/** An activity with its attempts, which are counted from 1. Fails as `ingest` does. */
export async function retry<T>(
  what: string,
  work: (number: number) => Promise<T>,
  options: IngestOptions,
): Promise<T> {
  for (let n = 1; n <= MAX_ATTEMPTS; n++) {
    const done = await once(what, async () => ({ value: await work(n) }), options);
    if (done) return done.value;
    await delay(PAUSE_MS);
  }
  throw new Error(`${what} failed ${MAX_ATTEMPTS} times`);
}

/** One attempt. @returns `undefined` where it failed in a way that Temporal retries */
async function once<T>(
  what: string,
  work: () => Promise<T>,
  { attemptMs = 60_000, signal, onFailure }: IngestOptions,
): Promise<T | undefined> {
  try {
    return await within(attemptMs, what, work());
  } catch (error) {
    if (!(error instanceof TidemarkFailure) || isFinal(error.kind) || signal?.aborted) throw error;
    onFailure?.(error);
    return undefined;
  }
}
