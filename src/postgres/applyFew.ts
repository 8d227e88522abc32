/**
 * Applying a small file, whose rows are all there, in two round trips: all up to the merge in one, ledger row and commit
 * in the other. What a small file costs is mostly waiting for answers.
 *
 * The rows are staged before the lock is asked for, so that it is held by nobody who waits for bytes. They are merged
 * before it is known whether it is the file's turn; where it is not, they are rolled back.
 */

import { isFinal, TidemarkFailure } from '../domain/failures.ts';
import { applyStaged, decide, type ApplyFile, type ApplyResult } from './apply.ts';
import { BEGIN, fenced } from './fence.ts';
import { accountFew, FEW_ROWS, mergeFewStatements } from './mergeStaged.ts';
import type { Session } from './pool.ts';
import { createStaging, rememberStaged } from './stage.ts';
import { stageFew, stageFewStatements } from './stageFew.ts';

/**
 * Bytes of rows for which one round trip is taken: with its statements it fits into the socket's buffer at once. Of one
 * that does not, a worker that freezes may leave the rest unsent, behind the lock, and none of PostgreSQL's time-outs ends
 * a transaction whose statements are still coming.
 */
const ONE_WRITE_BYTES = 24 * 1024;

/** The merge was refused before it was known whether it is the file's turn: that says nothing of the file yet. */
export class RefusedUnasked extends Error {}

/**
 * Stages and applies a file, all or nothing.
 *
 * @param blocks its rows, in COPY's format
 * @throws RefusedUnasked where PostgreSQL refuses it for good, in whatever turn it may be
 */
export async function applyFew(
  session: Session,
  input: ApplyFile,
  blocks: readonly Buffer[],
): Promise<ApplyResult> {
  const { dataset, reading } = input;
  const bytes = blocks.reduce((sum, block) => sum + block.length, 0);
  if (reading.sent > FEW_ROWS || bytes > ONE_WRITE_BYTES) {
    return applyStaged(session, { ...input, staged: await stageFew(session, dataset, blocks) });
  }
  await createStaging(session, dataset);
  const { held, statements } = stageFewStatements(session, dataset, blocks);
  const { fence, before, behind } = await fenced(session, input, {
    before: [BEGIN, ...statements],
    behind: mergeFewStatements(session, input),
  }).catch((error: unknown) => {
    throw error instanceof TidemarkFailure && isFinal(error.kind) ? new RefusedUnasked() : error;
  });
  const staged = before.at(-1)?.count ?? 0;
  const result = await decide(session, input, fence, () => accountFew(session, { ...input, staged }, behind));
  // Rolled back, the table holds what it held before, and is truncated next time, as `emptied` has noted.
  if (result.outcome === 'applied') rememberStaged(session, dataset, held + staged);
  return result;
}
