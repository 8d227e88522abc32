/**
 * Staging for large files: what is staged is compared with the table while the rest of the file is still being read.
 *
 * Reading keeps one core busy, and PostgreSQL would wait for it, only to compare all rows afterwards. So the COPY is cut
 * into stretches, each into a temporary table of its own, whose rows are looked up in the target one by one by the
 * primary key. Only those that are new or differ go on to the staging table.
 *
 * Nothing is locked by it. What it finds is true for the ledger's version that it names, and for a file that repeats no
 * key: the apply, which holds the fence, says so where that is not the case, and the file is then staged whole.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { BlockQueue } from './blockQueue.ts';
import { copySql, SIGNATURE, TRAILER, type CopyIn } from './copyIn.ts';
import { identifier } from './identifier.ts';
import { isSame } from './merge.ts';
import type { Session } from './pool.ts';
import { createStagingTable, emptied, rememberStaged, stagedColumns } from './stage.ts';
import { stagingTable, stretchTable, targetTable } from './tables.ts';

/**
 * Bytes of a stretch at most: what is there when PostgreSQL is free, so that it is seldom idle, and yet has few stretches
 * where it is the slower one.
 */
const STRETCH_BYTES = 3 * 1024 * 1024;

/** The last deed that the ledger has of a dataset, as SQL. @param dataset a parameter or a literal */
export function ledgerVersionSql(dataset: string): string {
  return `(select coalesce(max(id), 0)::text from tickets.import_meta where dataset = ${dataset})`;
}

/** A staging that compares. */
export interface ComparedStaging extends CopyIn {
  /** What was found so far; all, once it is finished. */
  readonly found: Comparison;
}

/** What a comparison of staged rows with the table found, and when it was true. */
export interface Comparison {
  /** Rows that are stored already as they are; all others are staged. */
  readonly unchanged: number;
  /** Rows whose key is not stored. */
  readonly fresh: number;
  /** The last deed of the ledger before it began. */
  readonly ledgerVersion: string;
}

/** As `openStaging`, for files of some size. */
export async function openComparedStaging(session: Session, dataset: Dataset): Promise<ComparedStaging> {
  const { held, statement } = emptied(session, dataset);
  if (statement) await session.roundTrip([statement]);
  const blocks = new BlockQueue();
  const comparer = new Comparer(session, dataset);
  let rows = 0;

  async function stage(): Promise<void> {
    for (;;) {
      const stretch = await blocks.take(STRETCH_BYTES);
      if (stretch.blocks.length === 0) return;
      rows += await comparer.compare(stretch.blocks);
      stretch.done();
    }
  }

  const staged = stage();
  // Heard of by who writes, and at the end.
  staged.catch((error: unknown) => blocks.fail(error));
  return {
    write: (block) => blocks.write(block),
    async finish() {
      blocks.end();
      await staged;
      rememberStaged(session, dataset, held + rows);
      return rows;
    },
    get found() {
      return comparer.found;
    },
  };
}

/** Compares stretch after stretch of one file. */
class Comparer {
  found: Comparison = { unchanged: 0, fresh: 0, ledgerVersion: '' };
  private readonly session: Session;
  private readonly dataset: Dataset;
  private begun = false;

  constructor(session: Session, dataset: Dataset) {
    this.session = session;
    this.dataset = dataset;
  }

  /**
   * Brings a stretch to PostgreSQL, compares it, and stages what is new or differs: all in one round trip, for which
   * PostgreSQL would wait each time until the reader has looked up from its work.
   *
   * @returns its rows, as PostgreSQL counted them
   */
  async compare(blocks: readonly Buffer[]): Promise<number> {
    if (!this.begun) await this.begin();
    const table = stretchTable(this.dataset);
    const copy = copySql(`pg_temp.${table}`, stagedColumns(this.dataset));
    const empty = this.session.memory.has(table)
      ? `truncate ${table}`
      : createStagingTable(this.dataset, table);
    const [, copied, compared] = await this.session.roundTripLong([
      { text: empty },
      { text: copy, data: [SIGNATURE, ...blocks, TRAILER] },
      { text: compareSql(this.dataset) },
    ]);
    this.session.memory.set(table, 0);
    const stretch = compared?.rows[0] as { unchanged: number; fresh: number } | undefined;
    if (!copied || !stretch) throw new TidemarkFailure('InternalError', 'a comparison gave no counts');
    const { unchanged, fresh } = this.found;
    this.found = {
      ...this.found,
      unchanged: unchanged + stretch.unchanged,
      fresh: fresh + stretch.fresh,
    };
    return copied.count;
  }

  private async begin(): Promise<void> {
    const [ledger] = await this.session.query<{ version: string }>(
      `select ${ledgerVersionSql('$1')} as version`,
      [this.dataset.name],
    );
    this.found = { ...this.found, ledgerVersion: ledger?.version ?? '' };
    this.begun = true;
  }
}

/**
 * Compares a stretch. The subquery is asked row by row: a plan that read the whole target for every stretch would cost
 * its square.
 */
function compareSql(dataset: Dataset): string {
  const pk = identifier(dataset.primaryKey);
  const columns = stagedColumns(dataset);
  return `
with looked as materialized (
  select s.source_line, t.same
  from ${stretchTable(dataset)} s left join lateral (
    select ${isSame(dataset, 't', 's')} as same from ${targetTable(dataset)} t where t.${pk} = s.${pk} limit 1
  ) t on true
), kept as (
  insert into ${stagingTable(dataset)} (${columns.join(', ')})
  select ${columns.map((column) => `s.${column}`).join(', ')}
  from ${stretchTable(dataset)} s join looked l on l.source_line = s.source_line
  where l.same is not true
)
select count(*) filter (where same)::float8 as unchanged, count(*) filter (where same is null)::float8 as fresh
from looked`;
}
