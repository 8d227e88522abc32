import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Pool } from '../postgres/pool.ts';
import type { LoadProgress } from './interface.ts';
import type { ObjectStore } from '../s3/objectStore.ts';

/** What activities work with. */
export interface Deps {
  readonly datasets: readonly Dataset[];
  readonly store: ObjectStore;
  readonly pool: Pool;
}

/** One attempt's lifeline. */
export interface Attempt {
  /** Aborted on cancellation, on the worker's shutdown and on a lost heartbeat. */
  readonly signal: AbortSignal;
  /** Recorded in the ledger: workflow and run id. */
  readonly provenance: Readonly<Record<string, string>>;
  /** Which attempt of the activity it is, from 1; absent outside Temporal. */
  readonly number?: number;
  /** Takes what the next heartbeat says; outside Temporal nobody asks. */
  readonly tell?: (progress: LoadProgress) => void;
}

/** Finds a dataset by name. */
export function findDataset(datasets: readonly Dataset[], name: string): Dataset {
  const dataset = datasets.find((candidate) => candidate.name === name);
  if (dataset) return dataset;
  const known = datasets.map((candidate) => candidate.name).join(', ');
  // The name is a user's input of any size: it is not repeated.
  throw new TidemarkFailure('UnknownDataset', `there is no such dataset; known: ${known}`);
}
