/** A file of the ledger, staged once more: to be merged into another table than the live one. */

import type { Dataset } from '../datasets/dataset.ts';
import { compressionOf, type ObjectKey } from '../domain/changeFile.ts';
import type { MergeMode } from '../postgres/merge.ts';
import type { Session } from '../postgres/pool.ts';
import { openStaging } from '../postgres/stage.ts';
import { stageFew } from '../postgres/stageFew.ts';
import { readChangeFile } from '../rows/readFile.ts';
import type { Reading } from '../rows/row.ts';

/** How the deeds that put rows into the table merge them. */
export const REPLAY_MODES: Readonly<Record<string, MergeMode | undefined>> = {
  baseline: 'inOrder',
  delta: 'inOrder',
  late: 'late',
  reload: 'reload',
};

/** Rows in the session's staging table. */
export interface Staged {
  readonly reading: Reading;
  readonly staged: number;
}

/** What is staged: the bytes of a file, which are all in memory or come from S3. */
export interface ReplayInput {
  readonly dataset: Dataset;
  readonly key: ObjectKey;
  readonly chunks: AsyncIterable<Buffer>;
  readonly held: boolean;
}

/** Stages a file. The session stays in good order where the file is refused. */
export async function stageReplay(session: Session, input: ReplayInput): Promise<Staged> {
  // What is packed may be of any size once it is not.
  const isSmall = input.held && compressionOf(input.key) === 'none';
  return isSmall ? stageHeld(session, input) : stageStream(session, input);
}

async function stageHeld(session: Session, { dataset, key, chunks }: ReplayInput): Promise<Staged> {
  const blocks: Buffer[] = [];
  const sink = { write: async (block: Buffer): Promise<void> => void blocks.push(Buffer.from(block)) };
  const reading = await readChangeFile({ dataset, key, zone: await session.zone(), chunks, sink });
  return { reading, staged: await stageFew(session, dataset, blocks) };
}

async function stageStream(session: Session, { dataset, key, chunks }: ReplayInput): Promise<Staged> {
  const zone = await session.zone();
  const sink = await openStaging(session, dataset);
  const read: { reading?: Reading } = {};
  let staged: number;
  try {
    read.reading = await readChangeFile({ dataset, key, zone, chunks, sink });
  } finally {
    // Whole rows were sent, few or many: the COPY ends in good order, and the session stays.
    staged = await sink.finish();
  }
  return { reading: read.reading, staged };
}
