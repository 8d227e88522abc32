/**
 * The transaction that makes a staged file part of the table: rows, ledger row and watermark together, or nothing.
 *
 * The dataset's `dataset_state` row is the fence. Whoever holds it is the only one to decide about the dataset, and
 * decides from the ledger: no zombie attempt, retry or second worker can apply a file twice or move the watermark back.
 */

import type { Dataset } from '../datasets/dataset.ts';
import type { RowCounts } from '../domain/counts.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Reading } from '../rows/row.ts';
import { ledgerVersionSql, type Comparison } from './compareAhead.ts';
import type { MergeMode } from './merge.ts';
import { checkAccounts, mergeCompared, mergeStaged } from './mergeStaged.ts';
import { plainName } from './identifier.ts';
import type { Session } from './pool.ts';

/** How long to wait for the dataset's row. */
export type LockPatience = 'none' | 'bounded';

const LOCK_TIMEOUT: Record<LockPatience, string> = { none: '10ms', bounded: '30s' };

/** A merge of millions of rows takes minutes; one that takes longer than this is lost. */
const STATEMENT_TIMEOUT = '30min';

/** Lets the merge's hashes of some 300,000 rows stay in memory: a sixth off its time. Each load may use it twice. */
const WORK_MEM = '64MB';

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
  readonly ledgerVersion: string;
  readonly known: boolean;
  readonly skipped: boolean;
  /** A file between the watermark and this one was refused or has vanished, and is not dealt with. */
  readonly stopped: boolean;
}

/** Applies a staged file, all or nothing, on the session that staged it. */
export async function applyStaged(session: Session, input: ApplyInput): Promise<ApplyResult> {
  await session.queryLong(`begin isolation level read committed; ${lock(input)}`);
  return decide(session, input, () => mergeStaged(session, input));
}

/**
 * Applies a file that was compared while it was staged; undefined, and nothing changed, where the comparison no longer
 * holds: another load came between, or the file may repeat a key.
 */
export async function applyCompared(
  session: Session,
  input: ApplyInput,
  comparison: Comparison,
): Promise<ApplyResult | undefined> {
  await session.queryLong(`begin isolation level read committed; ${lock(input)}`);
  return decide(session, input, async ({ ledgerVersion }) =>
    input.reading.mayRepeat || comparison.ledgerVersion !== ledgerVersion
      ? undefined
      : mergeCompared(session, input, comparison),
  );
}

/** Applies a file whose rows the session's open transaction has written into the empty table, all or nothing. */
export async function applyFilled(session: Session, input: ApplyInput): Promise<ApplyResult> {
  await session.queryLong(lock(input));
  return decide(session, input, async () =>
    checkAccounts(input.reading, input.staged, { ...NOTHING, inserted: input.staged }),
  );
}

/** Ends the transaction that holds the fence. @param merge writes the rows; undefined, and all is undone, where it cannot */
async function decide<Merged extends RowCounts | undefined>(
  session: Session,
  input: ApplyInput,
  merge: (fence: Fence) => Promise<Merged>,
): Promise<ApplyResult | Exclude<Merged, RowCounts>> {
  const fence = await readFence(session, input);
  const refusal = refusalOf(fence, input);
  const merged = refusal ? undefined : await merge(fence);
  const result = merged ? await record(session, input, fence, merged) : refusal;
  await session.queryLong(merged ? 'commit' : 'rollback');
  return result as ApplyResult | Exclude<Merged, RowCounts>;
}

/** Why the file is not to be applied, if it is not. */
function refusalOf(fence: Fence, { dataset, key, mode, reading }: ApplyInput): ApplyResult | undefined {
  if (fence.known && mode !== 'reload') return { outcome: 'already' };
  if (fence.skipped && mode !== 'reload') return { outcome: 'late' };
  if (mode !== 'inOrder') return undefined;
  // By bytes: the fence's query compares with collate "C", and so does this.
  const passed =
    fence.watermark !== null && Buffer.compare(Buffer.from(key), Buffer.from(fence.watermark)) <= 0;
  if (passed || fence.stopped) return { outcome: 'late' };
  if (fence.watermark === null) checkBaseline(dataset, reading);
  return undefined;
}

/** Writes the deed into the ledger. */
async function record(
  session: Session,
  input: ApplyInput,
  fence: Fence,
  counts: RowCounts,
): Promise<ApplyResult> {
  const { key, mode } = input;
  const exportType = mode !== 'inOrder' ? mode : fence.watermark === null ? 'baseline' : 'delta';
  const watermark = mode === 'inOrder' ? key : (fence.watermark ?? key);
  const seconds = (Date.now() - input.startedAt) / 1000;
  await writeLedger(session, input, exportType, counts, watermark, seconds);
  return { outcome: 'applied', exportType, counts, watermark, seconds };
}

const NOTHING = { inserted: 0, updated: 0, unchanged: 0, stale: 0 };

/** Locks the dataset's row, in one round trip. What the ledger says is asked after, on a later snapshot. */
function lock({ dataset, patience }: ApplyInput): string {
  return `
set local lock_timeout = '${LOCK_TIMEOUT[patience]}';
set local statement_timeout = '${STATEMENT_TIMEOUT}';
set local work_mem = '${WORK_MEM}';
select from tickets.dataset_state where dataset = '${plainName(dataset.name)}' for update`;
}

async function readFence(session: Session, { dataset, key, etag }: ApplyInput): Promise<Fence> {
  const [fence] = await session.queryPrepared<Fence & { locked: boolean }>(
    `select
       exists (select from tickets.dataset_state where dataset = $1) as locked,
       ${ledgerVersionSql('$1')} as "ledgerVersion",
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
