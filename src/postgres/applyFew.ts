/**
 * Applying small files one after the other, whose rows are all there, in one round trip each: what a small file costs is
 * mostly waiting for answers.
 *
 * All up to the merge goes in one write, ledger row and commit in the next, and with them all up to the merge of the file
 * behind. The rows are staged before the lock is asked for, so that it is held by nobody who waits for bytes. They are
 * merged before it is known whether it is the file's turn; where it is not, they are rolled back.
 */

import { isFinal, TidemarkFailure } from '../domain/failures.ts';
import { applyStaged, decide, type ApplyFile, type ApplyResult } from './apply.ts';
import { BEGIN, fencing, type Fenced } from './fence.ts';
import { accountFew, FEW_ROWS, mergeFewStatements } from './mergeStaged.ts';
import type { Session } from './pool.ts';
import type { Answered, Statement } from './roundTrip.ts';
import { createStaging, rememberStaged } from './stage.ts';
import { stageFew, stageFewStatements } from './stageFew.ts';

/**
 * Bytes of rows for which one round trip is taken: with its statements, and the ledger row before it, it fits into the
 * socket's buffer at once. Of one that does not, a worker that freezes may leave the rest unsent, behind the lock, and none
 * of PostgreSQL's time-outs ends a transaction whose statements are still coming.
 */
const ONE_WRITE_BYTES = 24 * 1024;

/** The merge was refused before it was known whether it is the file's turn: that says nothing of the file yet. */
export class RefusedUnasked extends Error {}

/** A small file that was read. */
export interface SmallFile extends ApplyFile {
  /** Its rows, in COPY's format. */
  readonly blocks: readonly Buffer[];
}

/** A file that is merged, in a transaction that is open. */
interface Merged extends Fenced {
  /** As of `ApplyFile`: of one that was begun ahead, when it was. */
  readonly startedAt: number;
  /** Rows that the staging table holds, deleted ones too. */
  readonly held: number;
  /** Those of the file. */
  readonly staged: number;
}

/** Small files on their way through one session. */
export class SmallFiles {
  readonly #session: Session;
  /** The file behind the last one; `merged` fails where it could not be. */
  #ahead: { readonly key: string; merged(): Merged } | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Whether a file was begun behind the last one: it is the one to be applied next. */
  get isAhead(): boolean {
    return this.#ahead !== undefined;
  }

  /**
   * Stages and applies a file, all or nothing.
   *
   * @param next the file to be begun in this one's last round trip, where it is there by then
   * @throws RefusedUnasked where PostgreSQL refuses it for good, in whatever turn it may be
   */
  async apply(file: SmallFile, next: () => SmallFile | undefined): Promise<ApplyResult> {
    const session = this.#session;
    const { dataset, blocks } = file;
    if (this.#ahead && this.#ahead.key !== file.key) {
      throw new TidemarkFailure('InternalError', 'another file was begun than comes next');
    }
    if (!fitsOneWrite(file)) {
      return applyStaged(session, { ...file, staged: await stageFew(session, dataset, blocks) });
    }
    const { fence, behind, held, staged, startedAt } = await this.#merged(file);
    const merge = () => accountFew(session, { ...file, staged }, behind);
    return decide(session, { ...file, startedAt }, fence, merge, (statements) => {
      // Where it is not its turn the table holds what it held before, and is truncated next time, as `emptied` has noted.
      rememberStaged(session, dataset, held + staged);
      return this.#commit(statements, next());
    });
  }

  async #merged(file: SmallFile): Promise<Merged> {
    const session = this.#session;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    try {
      if (ahead) return ahead.merged();
      await createStaging(session, file.dataset);
      const { statements, result } = merging(session, file);
      return result(await session.roundTrip(statements));
    } catch (error) {
      throw error instanceof TidemarkFailure && isFinal(error.kind) ? new RefusedUnasked() : error;
    }
  }

  async #commit(statements: readonly Statement[], next: SmallFile | undefined): Promise<readonly Answered[]> {
    const session = this.#session;
    if (!next || !fitsOneWrite(next)) return session.roundTripLong(statements);
    const begin = merging(session, next);
    const [answers, begun] = await session.roundTripOfTwo(statements, begin.statements);
    this.#ahead = {
      key: next.key,
      merged() {
        if (begun instanceof TidemarkFailure) throw begun;
        return begin.result(begun);
      },
    };
    return answers;
  }
}

/** Rejected rows are not counted in: such a file goes in several writes. */
function fitsOneWrite({ reading, blocks }: SmallFile): boolean {
  const bytes = blocks.reduce((sum, block) => sum + block.length, 0);
  return reading.sent <= FEW_ROWS && bytes <= ONE_WRITE_BYTES && reading.rejects.length === 0;
}

/** All up to a file's merge, and what its answers come to. */
function merging(
  session: Session,
  file: SmallFile,
): { readonly statements: readonly Statement[]; result(answers: readonly Answered[]): Merged } {
  const { held, statements } = stageFewStatements(session, file.dataset, file.blocks);
  const behind = mergeFewStatements(session, file);
  const fence = fencing(session, file, { before: [BEGIN, ...statements], behind });
  return {
    statements: fence.statements,
    result(answers) {
      const found = fence.result(answers);
      const staged = found.before.at(-1)?.count ?? 0;
      return { ...found, held, staged, startedAt: file.startedAt };
    },
  };
}
