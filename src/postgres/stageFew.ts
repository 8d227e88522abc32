/** Staging the rows of a small file, which are all there: emptying and COPY in one round trip. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Session } from './pool.ts';
import { copySql, emptied, stagingTable } from './stage.ts';

/** Stages rows, in blocks of COPY's format. @returns the rows that PostgreSQL counted */
export async function stageFew(
  session: Session,
  dataset: Dataset,
  blocks: readonly Buffer[],
): Promise<number> {
  const { held, statement } = emptied(session, dataset);
  const copy = { text: copySql(dataset), prepared: true, data: blocks } as const;
  const answers = await session.roundTrip(statement ? [statement, copy] : [copy]);
  const staged = answers.at(-1)?.count ?? 0;
  session.memory.set(stagingTable(dataset), held + staged);
  return staged;
}
