/** Staging the rows of a small file, which are all there: emptying and COPY in one round trip. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Session } from './pool.ts';
import { copySql, SIGNATURE, TRAILER } from './copyIn.ts';
import type { Statement } from './roundTrip.ts';
import { createStaging, emptied, rememberStaged, stagedColumns } from './stage.ts';
import { stagingTable } from './tables.ts';

/** Stages rows, in blocks of COPY's format. @returns the rows that PostgreSQL counted */
export async function stageFew(
  session: Session,
  dataset: Dataset,
  blocks: readonly Buffer[],
): Promise<number> {
  await createStaging(session, dataset);
  const { held, statements } = stageFewStatements(session, dataset, blocks);
  const answers = await session.roundTrip(statements);
  const staged = answers.at(-1)?.count ?? 0;
  rememberStaged(session, dataset, held + staged);
  return staged;
}

/** The statements of it, the COPY the last of them; who runs them remembers what the table then holds. */
export function stageFewStatements(
  session: Session,
  dataset: Dataset,
  blocks: readonly Buffer[],
): { readonly held: number; readonly statements: readonly Statement[] } {
  const { held, statement } = emptied(session, dataset);
  const data = [SIGNATURE, ...blocks, TRAILER];
  const copy = { text: copyTextOf(dataset), prepared: true, data } as const;
  return { held, statements: statement ? [statement, copy] : [copy] };
}

const copyTexts = new WeakMap<Dataset, string>();

/** The text of a dataset's COPY, made once: it names every column. */
function copyTextOf(dataset: Dataset): string {
  const text = copyTexts.get(dataset) ?? copySql(`pg_temp.${stagingTable(dataset)}`, stagedColumns(dataset));
  copyTexts.set(dataset, text);
  return text;
}
