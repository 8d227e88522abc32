/** One file of the ledger, merged into the table that is being built. */

import type { Dataset } from '../datasets/dataset.ts';
import { isContent, TidemarkFailure } from '../domain/failures.ts';
import type { HistoricDeed } from '../postgres/history.ts';
import { mergeStaged } from '../postgres/mergeStaged.ts';
import type { Session } from '../postgres/pool.ts';
import { lockRebuild, noteRebuild, type Rebuild } from '../postgres/rebuildRecord.ts';
import { builtTable } from '../postgres/rebuildTable.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import { bytesOf, type Content } from './contentOf.ts';
import { refuse } from './loadJob.ts';
import { REPLAY_MODES, stageReplay, type Staged } from './replayFile.ts';

/** A deed, and what was found of its bytes. */
export interface ReadDeed {
  readonly deed: HistoricDeed;
  readonly content: Content;
}

const REFUSED =
  'Its bytes were loaded under another definition of the dataset. Rebuild by that one, or begin with a later baseline: ' +
  'tidemark rebuild <dataset> --from KEY --reason TEXT';

/**
 * Stages the rows of a deed.
 *
 * @throws TidemarkFailure where its bytes are not there, or do not read as the ledger says that they did
 */
export async function stageDeed(
  session: Session,
  input: {
    readonly store: ObjectStore;
    readonly dataset: Dataset;
    readonly read: ReadDeed;
    readonly signal: AbortSignal;
  },
): Promise<Staged> {
  const { store, dataset, read, signal } = input;
  const { deed, content } = read;
  const place = { dataset: dataset.name, key: deed.key };
  if (content.state === 'gone') {
    throw new TidemarkFailure('ArchiveGap', 'its object is gone, from changes/ and from the archive', place);
  }
  if (content.state === 'altered') {
    throw new TidemarkFailure('ArchiveGap', 'its object has other bytes than the ledger says', place);
  }
  const chunks = await bytesOf(store, dataset, deed, content, signal);
  try {
    const staged = await stageReplay(session, {
      dataset,
      key: deed.key,
      chunks,
      held: content.held !== undefined,
    });
    refuse(dataset, staged.reading, []);
    checkReading(staged, deed);
    return staged;
  } catch (error) {
    if (!(error instanceof TidemarkFailure)) throw error;
    const { kind, what, details } = error.at(place);
    throw isContent(kind) ? new TidemarkFailure(kind, what, details, REFUSED) : error.at(place);
  }
}

/** The bytes are those of the ledger, and have as many rows. */
function checkReading({ reading }: Staged, { sha256, read }: HistoricDeed): void {
  if (sha256 !== null && reading.sha256 !== sha256) {
    throw new TidemarkFailure('ArchiveGap', 'its object has other bytes than the ledger says');
  }
  if (reading.read !== read) {
    throw new TidemarkFailure('AccountingMismatch', `${reading.read} rows read, and the ledger says ${read}`);
  }
}

/**
 * Merges what is staged, and moves the build's watermark, in the caller's transaction.
 *
 * @throws TidemarkFailure PostgresBusy where another attempt has built on meanwhile
 */
export async function mergeDeed(
  session: Session,
  input: {
    readonly dataset: Dataset;
    readonly rebuild: Rebuild;
    readonly deed: HistoricDeed;
    readonly staged: Staged;
  },
): Promise<Rebuild> {
  const { dataset, rebuild, deed, staged } = input;
  const now = await lockRebuild(session, rebuild.id);
  const isOpen = now.state === 'building' || now.state === 'compared';
  if (!isOpen || now.lastDeed !== rebuild.lastDeed) {
    throw new TidemarkFailure('PostgresBusy', 'another attempt builds this table', { dataset: dataset.name });
  }
  const mode = REPLAY_MODES[deed.exportType] ?? 'inOrder';
  const target = builtTable(now);
  const { inserted } = await mergeStaged(session, { dataset, key: deed.key, mode, ...staged, target });
  const further = {
    lastDeed: deed.id,
    filesDone: now.filesDone + 1,
    rowsBuilt: now.rowsBuilt + inserted,
  };
  await noteRebuild(session, rebuild.id, further);
  return { ...now, ...further };
}
