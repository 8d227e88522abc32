/**
 * A rehearsal: the merge of a load, for real, into a copy that only this session sees.
 *
 * A merge into the table itself, rolled back at the end, would hold row locks and a snapshot for as long as the scan
 * reads from S3, and a load would wait for it. The copy blocks nobody, and needs no transaction: it ends with the
 * session. Only rows that the files touch are copied, just before they are merged.
 */

import type { Dataset } from '../datasets/dataset.ts';
import type { RowCounts } from '../domain/counts.ts';
import { mergeStaged, type MergeInput } from './mergeStaged.ts';
import { identifier } from './identifier.ts';
import type { Session } from './pool.ts';
import { stagingTable, targetTable } from './tables.ts';

/** The copy's name, quoted. */
export function rehearsalTable(dataset: Dataset): string {
  return `pg_temp.${identifier(`tidemark_rehearsal_${dataset.name}`)}`;
}

/** Creates the empty copy: same columns, defaults, constraints and indexes. */
export async function openRehearsal(session: Session, dataset: Dataset): Promise<void> {
  await session.query(
    `create temporary table ${identifier(`tidemark_rehearsal_${dataset.name}`)}
       (like ${targetTable(dataset)} including all)`,
  );
}

/** Merges what the session has staged into the copy. @returns what a load would count */
export async function rehearse(session: Session, input: Omit<MergeInput, 'target'>): Promise<RowCounts> {
  const { dataset } = input;
  const copy = rehearsalTable(dataset);
  const pk = identifier(dataset.primaryKey);
  // A row that an earlier file of the rehearsal touched is there already, and stays.
  await session.queryLong(
    `insert into ${copy}
     select t.* from ${targetTable(dataset)} t where t.${pk} in (select ${pk} from ${stagingTable(dataset)})
     on conflict (${pk}) do nothing`,
  );
  return mergeStaged(session, { ...input, target: copy });
}
