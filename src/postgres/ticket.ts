/** One ticket in the table, and the ledger at the same moment. */

import type { Dataset } from '../datasets/dataset.ts';
import { identifier } from './identifier.ts';
import type { Queryable } from './queryable.ts';
import { targetTable } from './tables.ts';

/** Where a stored row comes from. */
export interface Lineage {
  readonly sourceKey: string;
  readonly sourceLine: number;
  readonly loadedAt: Date;
}

/** What is stored, and which deeds made it so. */
export interface TicketMoment {
  /** The ledger's newest row, 0 before the first. */
  readonly newest: number;
  readonly deeds: number;
  readonly stored: Lineage | null;
}

/** Looks up a ticket, by one statement. */
export async function readTicketMoment(
  db: Queryable,
  dataset: Dataset,
  ticket: string,
): Promise<TicketMoment> {
  const [row] = await db.query<{ newest: number; deeds: number } & Record<keyof Lineage, unknown>>(
    `select l.newest, l.deeds, t.source_key as "sourceKey", t.source_line::float8 as "sourceLine",
       t.loaded_at as "loadedAt"
     from (
       select coalesce(max(id), 0)::float8 as newest, count(*)::float8 as deeds
       from tickets.import_meta where dataset = $1
     ) l left join ${targetTable(dataset)} t on t.${identifier(dataset.primaryKey)} = $2`,
    [dataset.name, ticket],
  );
  if (!row) return { newest: 0, deeds: 0, stored: null };
  const { newest, deeds, sourceKey, sourceLine, loadedAt } = row;
  const stored = sourceLine === null ? null : ({ sourceKey, sourceLine, loadedAt } as Lineage);
  return { newest, deeds, stored };
}
