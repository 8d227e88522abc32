/**
 * The transaction that makes a staged file part of the table: rows, ledger row and watermark together, or nothing.
 *
 * The dataset's `dataset_state` row is the fence. Whoever holds it is the only one to decide about the dataset, and
 * decides from the ledger: no zombie attempt, retry or second worker can apply a file twice or move the watermark back.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { balances, type RowCounts } from '../domain/counts.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Reading } from '../rows/row.ts';
import { fillSql, mergeSql, supersedeSql, targetTable, type MergeCounts, type MergeMode } from './merge.ts';
import { plainName } from './identifier.ts';
import type { Session } from './pool.ts';

/** How long to wait for the dataset's row. */
export type LockPatience = 'none' | 'bounded';

const LOCK_TIMEOUT: Record<LockPatience, string> = { none: '10ms', bounded: '30s' };

/** A merge of millions of rows takes minutes; one that takes longer than this is lost. */
const STATEMENT_TIMEOUT = '30min';

/** Lets the merge's hashes of some 300,000 rows stay in memory: a sixth off its time. Each load may use it twice. */
const WORK_MEM = '64MB';

/** Up to this many staged rows a merge is planned once a connection; above, for each file, whose size decides. */
const FEW_ROWS = 1_000;

/** What is applied. */
export interface ApplyInput {
  readonly dataset: Dataset;
  readonly key: string;
  readonly etag: string;
  readonly mode: MergeMode;
  readonly reading: Reading;
  /** Rows that PostgreSQL counted in the COPY. */
  readonly staged: number;
  readonly patience: LockPatience;
  /** When reading began, milliseconds since the epoch; for `metadata.seconds`. */
  readonly startedAt: number;
  /** Recorded in the ledger's metadata: workflow and run id, who and why. */
  readonly provenance: Readonly<Record<string, string>>;
}

/** What the transaction found and did. */
export type ApplyResult =
  | {
      readonly outcome: 'applied';
      readonly exportType: 'baseline' | 'delta' | 'late' | 'reload';
      readonly counts: RowCounts;
      readonly watermark: string;
      readonly seconds: number;
    }
  /** The ledger has the key: somebody (an earlier attempt, perhaps) was here first. */
  | { readonly outcome: 'already' }
  /**
   * Not its turn: the watermark is past the key and the ledger does not know it, this content was skipped meanwhile, or
   * a file before it stops the dataset. The next listing decides.
   */
  | { readonly outcome: 'late' };

interface Fence {
  readonly watermark: string | null;
  readonly known: boolean;
  readonly skipped: boolean;
  /** A file between the watermark and this one was refused or has vanished, and is not dealt with. */
  readonly stopped: boolean;
}

/** Applies a staged file, all or nothing, on the session that staged it. */
export async function applyStaged(session: Session, input: ApplyInput): Promise<ApplyResult> {
  await session.queryLong(beginLocked(input));
  const result = await decideAndMerge(session, input);
  await session.queryLong(result.outcome === 'applied' ? 'commit' : 'rollback');
  return result;
}

async function decideAndMerge(session: Session, input: ApplyInput): Promise<ApplyResult> {
  const { dataset, key, mode, reading } = input;
  const fence = await readFence(session, input);
  if (fence.known && mode !== 'reload') return { outcome: 'already' };
  // By bytes: the fence's query compares with collate "C", and so does this.
  const passed =
    fence.watermark !== null && Buffer.compare(Buffer.from(key), Buffer.from(fence.watermark)) <= 0;
  if (mode === 'inOrder' && passed) return { outcome: 'late' };
  if (fence.skipped && mode !== 'reload') return { outcome: 'late' };
  if (fence.stopped && mode === 'inOrder') return { outcome: 'late' };

  const exportType = mode !== 'inOrder' ? mode : fence.watermark === null ? 'baseline' : 'delta';
  if (exportType === 'baseline') checkBaseline(dataset, reading);
  const counts = await mergeStaged(session, input);
  const watermark = mode === 'inOrder' ? key : (fence.watermark ?? key);
  const seconds = (Date.now() - input.startedAt) / 1000;
  await writeLedger(session, input, exportType, counts, watermark, seconds);
  return { outcome: 'applied', exportType, counts, watermark, seconds };
}

/** Begins, and locks the dataset's row, in one round trip. What the ledger says is asked after, on a later snapshot. */
function beginLocked({ dataset, patience }: ApplyInput): string {
  return `
begin isolation level read committed;
set local lock_timeout = '${LOCK_TIMEOUT[patience]}';
set local statement_timeout = '${STATEMENT_TIMEOUT}';
set local work_mem = '${WORK_MEM}';
select from tickets.dataset_state where dataset = '${plainName(dataset.name)}' for update`;
}

async function readFence(session: Session, { dataset, key, etag }: ApplyInput): Promise<Fence> {
  const [fence] = await session.queryPrepared<Fence & { locked: boolean }>(
    `select
       exists (select from tickets.dataset_state where dataset = $1) as locked,
       (select metadata ->> 'source_max_key' from tickets.import_meta
         where dataset = $1 and metadata ? 'source_max_key'
         order by (metadata ->> 'source_max_key') collate "C" desc limit 1) as watermark,
       exists (select from tickets.import_meta
         where dataset = $1 and source_key = $2 and export_type in ('baseline', 'delta', 'late')) as known,
       exists (select from tickets.import_meta
         where dataset = $1 and source_key = $2 and export_type = 'skipped' and metadata ->> 'etag' = $3) as skipped,
       exists (select from tickets.import_failures
         where dataset = $1 and resolved_at is null and kind <> 'FileChanged' and source_key collate "C" < $2
           and source_key collate "C" > coalesce((
             select metadata ->> 'source_max_key' from tickets.import_meta
             where dataset = $1 and metadata ? 'source_max_key'
             order by (metadata ->> 'source_max_key') collate "C" desc limit 1), '')) as stopped`,
    [dataset.name, key, etag],
  );
  if (!fence?.locked) {
    throw new TidemarkFailure('PostgresRefused', 'the dataset has no row in tickets.dataset_state');
  }
  return fence;
}

/** @throws TidemarkFailure BaselineTooSmall where the dataset asks for more rows */
export function checkBaseline(dataset: Dataset, reading: Reading): void {
  if (reading.read >= dataset.minBaselineRows) return;
  throw new TidemarkFailure(
    'BaselineTooSmall',
    `the baseline has ${reading.read} rows, fewer than ${dataset.minBaselineRows}`,
  );
}

/** What is merged, and into which table: by default the dataset's own. */
export type MergeInput = Pick<ApplyInput, 'dataset' | 'key' | 'mode' | 'reading' | 'staged'> & {
  readonly target?: string;
};

/**
 * Merges what the session has staged, and accounts for every row read.
 *
 * @throws TidemarkFailure AccountingMismatch where the counts do not add up
 */
export async function mergeStaged(session: Session, input: MergeInput): Promise<RowCounts> {
  const { dataset, key, mode, reading, staged, target } = input;
  if (staged !== reading.sent) {
    throw new TidemarkFailure('AccountingMismatch', `${reading.sent} rows sent, ${staged} rows staged`);
  }
  const run = staged <= FEW_ROWS ? session.queryPrepared : session.queryLong;
  const [superseded] = await run<{ superseded: number }>(supersedeSql(dataset));
  const merge = async (): Promise<MergeCounts | undefined> =>
    (await run<MergeCounts>(mergeSql(dataset, mode, target), [key]))[0];
  const mayFill = staged > FEW_ROWS && (await isEmpty(session, dataset, target));
  const merged = (mayFill ? await fill(session, input) : undefined) ?? (await merge());
  const counts: RowCounts = {
    read: reading.read,
    inserted: merged?.inserted ?? 0,
    updated: merged?.updated ?? 0,
    unchanged: merged?.unchanged ?? 0,
    stale: merged?.stale ?? 0,
    superseded: superseded?.superseded ?? 0,
    alarm: reading.alarm,
    sentinel: reading.sentinel,
    rejected: reading.rejected,
  };
  if (!balances(counts)) {
    throw new TidemarkFailure('AccountingMismatch', `the counts do not add up: ${JSON.stringify(counts)}`);
  }
  return counts;
}

async function isEmpty(session: Session, dataset: Dataset, target = targetTable(dataset)): Promise<boolean> {
  return (await session.query(`select from ${target} limit 1`)).length === 0;
}

/** Fills an empty table. @returns `undefined` where some constraint is in the way, and nothing was written */
async function fill(
  session: Session,
  { dataset, key, target }: MergeInput,
): Promise<MergeCounts | undefined> {
  if (target !== undefined) return undefined;
  await session.query('savepoint fill');
  try {
    const inserted = await session.executeLong(fillSql(dataset), [key]);
    return { inserted, updated: 0, unchanged: 0, stale: 0 };
  } catch (error) {
    // Perhaps another writer fills the table: the merge meets what he wrote.
    if (!(error instanceof TidemarkFailure && error.details.code === '23505')) throw error;
    await session.query('rollback to savepoint fill');
    return undefined;
  }
}

async function writeLedger(
  session: Session,
  input: ApplyInput,
  exportType: string,
  c: RowCounts,
  watermark: string,
  seconds: number,
): Promise<void> {
  const { dataset, key, etag, reading, provenance } = input;
  const metadata = {
    source_max_key: watermark,
    etag,
    sha256: reading.sha256,
    bytes: reading.bytes,
    truncated: reading.sentinel > 0,
    unknown_columns: reading.unknownColumns,
    unknown_values: reading.unknownValues,
    nulled: reading.nulled,
    seconds,
    ...provenance,
  };
  await session.queryPrepared(
    `with ledger as (
       insert into tickets.import_meta (dataset, source_key, export_type, rows_read, rows_inserted, rows_updated,
         rows_unchanged, rows_superseded, rows_stale, rows_alarm, rows_sentinel, rows_rejected, metadata)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb)
     )
     update tickets.import_failures set resolved_at = clock_timestamp(), resolution = $3
     where dataset = $1 and source_key = $2 and resolved_at is null`,
    [
      dataset.name,
      key,
      exportType,
      c.read,
      c.inserted,
      c.updated,
      c.unchanged,
      c.superseded,
      c.stale,
      c.alarm,
      c.sentinel,
      c.rejected,
      JSON.stringify(metadata),
    ],
  );
  await recordRejects(session, input);
}

/** Rejected rows within the dataset's allowance are kept beside the rows that were applied. */
async function recordRejects(session: Session, { dataset, key, etag, reading }: ApplyInput): Promise<void> {
  if (reading.rejects.length === 0) return;
  await session.query(INSERT_REJECTS, [dataset.name, key, etag, JSON.stringify(reading.rejects)]);
}

/** Keeps rejected rows: $1 dataset, $2 key, $3 ETag, $4 a JSON array of `Reject`. */
export const INSERT_REJECTS = `
insert into tickets.import_rejects (dataset, source_key, etag, line, column_name, reason, row_text)
select $1, $2, $3, r.line, r."column", r.reason, r."row"
from jsonb_to_recordset($4::jsonb) as r(line bigint, "column" text, reason text, "row" text)
on conflict (dataset, source_key, etag, line) do nothing`;
