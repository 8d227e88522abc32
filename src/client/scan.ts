/** Reads and merges files as a run would, into a copy that is forgotten. */

import { refuse } from '../activities/loadJob.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { RowCounts } from '../domain/counts.ts';
import { TidemarkFailure, type FailureKind } from '../domain/failures.ts';
import { checkBaseline } from '../postgres/turn.ts';
import type { Session } from '../postgres/pool.ts';
import { newestDeed } from '../postgres/progress.ts';
import { openRehearsal, rehearse } from '../postgres/rehearse.ts';
import { openStaging } from '../postgres/stage.ts';
import { readChangeFile } from '../rows/readFile.ts';
import type { Reading, Reject } from '../rows/row.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import type { Plan, PlannedFile } from './plan.ts';
import type { Servers } from './servers.ts';

/** What a file was found to hold; never a value of it. */
export interface ScannedFile {
  readonly key: string;
  /** What a run would do with all rows read; `null` where it would refuse the file. */
  readonly counts: RowCounts | null;
  readonly failure: ScanFailure | null;
  /** The first 100. */
  readonly rejects: readonly Omit<Reject, 'row'>[];
  readonly unknownColumns: readonly string[];
  /** How many values of a canonical column are none of its values. */
  readonly unknownValues: Readonly<Record<string, number>>;
  /** How many invalid values become NULL. */
  readonly nulled: Readonly<Record<string, number>>;
}

interface ScanFailure {
  readonly kind: FailureKind;
  readonly line?: number;
  readonly column?: string;
  readonly message: string;
}

/** A scan's finding. */
export interface ScanResult {
  readonly files: readonly ScannedFile[];
  /** A run applied files meanwhile: what was merged here and what is in the table may overlap. */
  readonly disturbed: boolean;
}

/**
 * Scans all files that can be read and might be loaded. It goes on behind a file that a run would refuse, so that one
 * scan shows all problems; what it counts there lacks that file's rows.
 */
export async function scan(servers: Servers, dataset: Dataset, plan: Plan): Promise<ScanResult> {
  const before = await newestDeed(servers.db, dataset.name);
  const files = await servers.pool().withSession(undefined, async (session) => {
    await openRehearsal(session, dataset);
    const scanned: ScannedFile[] = [];
    let isFirst = plan.watermark === null;
    for (const file of plan.files.filter((planned) => isScannable(dataset, planned))) {
      const found = await scanFile({ session, store: servers.store(), dataset, isFirst, file });
      scanned.push(found);
      if (found.counts) isFirst = false;
      // PostgreSQL broke the COPY off: this session stages no more.
      if (found.failure?.kind === 'ValueRefused') break;
    }
    return scanned;
  });
  return { files, disturbed: (await newestDeed(servers.db, dataset.name)) !== before };
}

/** Failed files too: they show again what is wrong with them. */
function isScannable(dataset: Dataset, { state }: PlannedFile): boolean {
  if (state === 'late') return dataset.latePolicy === 'apply';
  return state === 'pending' || state === 'settling' || state === 'failed';
}

interface ScanInput {
  readonly session: Session;
  readonly store: ObjectStore;
  readonly dataset: Dataset;
  /** Whether a baseline is due. */
  readonly isFirst: boolean;
  readonly file: PlannedFile;
}

async function scanFile(input: ScanInput): Promise<ScannedFile> {
  const { dataset, file } = input;
  const read: { reading?: Reading } = {};
  try {
    const counts = await readAndMerge(input, read);
    return { key: file.key, counts, failure: null, ...findings(read.reading) };
  } catch (error) {
    if (!(error instanceof TidemarkFailure) || !REFUSALS.has(error.kind)) throw error;
    const { kind, details, message } = error.at({ dataset: dataset.name, key: file.key });
    const { line, column } = details;
    const failure = {
      kind,
      message,
      ...(line !== undefined && { line }),
      ...(column !== undefined && { column }),
    };
    return { key: file.key, counts: null, failure, ...findings(read.reading) };
  }
}

/** What says something of the file; all else says something of the servers, and ends the scan. */
const REFUSALS: ReadonlySet<FailureKind> = new Set([
  'MalformedFile',
  'SchemaMismatch',
  'RowsRejected',
  'BaselineTooSmall',
  'ValueRefused',
  'FileVanished',
  'ObjectReplaced',
]);

async function readAndMerge(input: ScanInput, read: { reading?: Reading }): Promise<RowCounts> {
  const { session, store, dataset, isFirst, file } = input;
  const { key, etag, state } = file;
  const zone = await session.zone();
  const staging = await openStaging(session, dataset);
  let staged: number;
  try {
    const body = await store.read({ key, etag });
    read.reading = await readChangeFile({ dataset, key, zone, chunks: body.chunks, sink: staging });
  } finally {
    // Whole rows were sent, few or many: the COPY ends in good order, and the session stays.
    staged = await staging.finish();
  }
  const { reading } = read;
  refuse(dataset, reading, []);
  if (isFirst) checkBaseline(dataset, reading);
  return rehearse(session, { dataset, key, mode: state === 'late' ? 'late' : 'inOrder', reading, staged });
}

function findings(
  reading: Reading | undefined,
): Pick<ScannedFile, 'rejects' | 'unknownColumns' | 'unknownValues' | 'nulled'> {
  if (!reading) return { rejects: [], unknownColumns: [], unknownValues: {}, nulled: {} };
  const { unknownColumns, unknownValues, nulled } = reading;
  const rejects = reading.rejects.map(({ line, column, reason }) => ({
    line,
    ...(column !== undefined && { column }),
    reason,
  }));
  return { rejects, unknownColumns, unknownValues, nulled };
}
