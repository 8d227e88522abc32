/** The ways of one file into the table. */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { applyAhead, applyStaged, type ApplyInput, type ApplyResult } from '../postgres/apply.ts';
import type { CopyIn } from '../postgres/copyIn.ts';
import { openFill } from '../postgres/fill.ts';
import type { LockPatience } from '../postgres/limits.ts';
import type { MergeMode } from '../postgres/merge.ts';
import { openMerge } from '../postgres/mergeAhead.ts';
import type { Session } from '../postgres/pool.ts';
import { openStaging } from '../postgres/stage.ts';
import { beginAhead, isAheadFailure, outlastAhead } from '../postgres/writeAhead.ts';
import type { RowEnd } from '../rows/copyBlock.ts';
import { readChangeFile, type ReadSoFar } from '../rows/readFile.ts';
import type { Reading, Reject } from '../rows/row.ts';
import type { ZoneHistory } from '../rows/zone.ts';
import type { Deps } from './deps.ts';

/** A file that is to be loaded. */
export interface LoadJob {
  readonly dataset: Dataset;
  readonly file: { readonly key: string; readonly etag: string; readonly mode: MergeMode };
  /** As of `ApplyInput`. */
  readonly knownWatermark?: string | undefined;
  readonly patience: LockPatience;
  readonly provenance: Readonly<Record<string, string>>;
  /** Opens the object; called once PostgreSQL is ready for rows, so that no body is left unread. */
  open(): Promise<{ readonly chunks: AsyncIterable<Buffer> }>;
  /** Hears how far the object is read. */
  readonly onRead?: (read: ReadSoFar) => void;
}

/**
 * Loads a file of any size, by the quickest way that it can go: written into the table while it is being read; or staged,
 * and merged afterwards. A way that a file cannot go leaves nothing behind.
 */
export async function loadLarge(
  { pool }: Pick<Deps, 'pool'>,
  job: LoadJob,
  signal: AbortSignal | undefined,
  rejects: Reject[],
): Promise<ApplyResult> {
  if (job.file.mode === 'inOrder') {
    try {
      const result = await pool.withSession(signal, (session) => writeAheadAndApply(session, job, rejects));
      if (result) return result;
    } catch (error) {
      if (!isAheadFailure(error)) throw error;
    }
  }
  try {
    return await pool.withSession(signal, (session) => stageAndApply(session, job, rejects));
  } catch (error) {
    // Who has written ahead in vain, and is frozen, may hold the rows: the next attempt finds them free.
    if (error instanceof TidemarkFailure && error.kind === 'PostgresBusy') {
      await pool.withSession(signal, (session) => outlastAhead(session, job.dataset));
    }
    throw error;
  }
}

/** Writes a file's rows while it is read; undefined, and nothing changed, where they may not stay. */
async function writeAheadAndApply(
  session: Session,
  job: LoadJob,
  rejects: Reject[],
): Promise<ApplyResult | undefined> {
  const { dataset, file } = job;
  const startedAt = Date.now();
  const zone = await session.zone();
  await beginAhead(session, dataset);
  const ahead = (await openFill(session, dataset, file.key)) ?? (await openMerge(session, dataset, file.key));
  const read = await readInto(job, zone, ahead, rejects, ahead.rowEnd);
  return applyAhead(session, applyInput(job, read, startedAt), ahead);
}

/** Stages a file and applies it, on a session that the caller destroys where this fails. */
async function stageAndApply(session: Session, job: LoadJob, rejects: Reject[]): Promise<ApplyResult> {
  const startedAt = Date.now();
  const zone = await session.zone();
  const staging = await openStaging(session, job.dataset);
  const read = await readInto(job, zone, staging, rejects);
  return applyStaged(session, applyInput(job, read, startedAt));
}

function applyInput(
  { dataset, file: { key, etag, mode }, knownWatermark, patience, provenance }: LoadJob,
  read: { reading: Reading; staged: number },
  startedAt: number,
): ApplyInput {
  return { dataset, key, etag, mode, ...read, knownWatermark, patience, provenance, startedAt };
}

/** Reads the object into a COPY and ends it. @throws TidemarkFailure where the file is not one to be applied */
async function readInto(
  { dataset, file, open, onRead }: LoadJob,
  zone: ZoneHistory,
  copy: CopyIn,
  rejects: Reject[],
  rowEnd?: RowEnd,
): Promise<{ reading: Reading; staged: number }> {
  const { chunks } = await open();
  const reading = await readChangeFile({
    dataset,
    key: file.key,
    zone,
    chunks,
    sink: copy,
    ...(rowEnd && { rowEnd }),
    ...(onRead && { onRead }),
  });
  refuse(dataset, reading, rejects);
  return { reading, staged: await copy.finish() };
}

/** Whether the file has more rejected rows than the dataset allows. */
export function isRefused(dataset: Dataset, reading: Reading): boolean {
  return reading.rejected > dataset.maxRejects;
}

/** Fails where it has. */
export function refuse(dataset: Dataset, reading: Reading, rejects: Reject[]): void {
  if (!isRefused(dataset, reading)) return;
  rejects.push(...reading.rejects);
  const [first] = reading.rejects;
  throw new TidemarkFailure(
    'RowsRejected',
    `${reading.rejected} row${reading.rejected === 1 ? '' : 's'} rejected; the first: ${first?.reason ?? 'unknown'}`,
    {
      rejected: reading.rejected,
      ...(first && { line: first.line, ...(first.column !== undefined && { column: first.column }) }),
    },
  );
}
