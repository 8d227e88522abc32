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
import type { Session } from './pool.ts';
import type { Statement } from './roundTrip.ts';

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
  const fence = await beginFenced(session, input);
  const result = await decideAndMerge(session, input, fence);
  if (result.outcome !== 'applied') await session.queryLong('rollback');
  return result;
}

async function decideAndMerge(session: Session, input: ApplyInput, fence: Fence): Promise<ApplyResult> {
  const { dataset, key, mode, reading } = input;
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
  await writeLedgerAndCommit(session, input, exportType, counts, watermark, seconds);
  return { outcome: 'applied', exportType, counts, watermark, seconds };
}

/**
 * Begins, locks the dataset's row and asks the ledger, in one round trip. The question is a statement of its own, behind
 * the lock: its snapshot is later.
 */
async function beginFenced(session: Session, { dataset, key, etag, patience }: ApplyInput): Promise<Fence> {
  const answers = await session.roundTrip([
    { text: 'begin isolation level read committed', prepared: true },
    { text: SET_LIMITS, values: [LOCK_TIMEOUT[patience], STATEMENT_TIMEOUT, WORK_MEM], prepared: true },
    { text: LOCK_DATASET, values: [dataset.name], prepared: true },
    { text: FENCE, values: [dataset.name, key, etag], prepared: true },
  ]);
  const fence = answers[3]?.rows[0] as (Fence & { locked: boolean }) | undefined;
  if (!fence?.locked) {
    throw new TidemarkFailure('PostgresRefused', 'the dataset has no row in tickets.dataset_state');
  }
  return fence;
}

const SET_LIMITS = `select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
  set_config('work_mem', $3, true)`;

const LOCK_DATASET = 'select from tickets.dataset_state where dataset = $1 for update';

const FENCE = `
select
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
        order by (metadata ->> 'source_max_key') collate "C" desc limit 1), '')) as stopped`;

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
  const { reading, staged } = input;
  if (staged !== reading.sent) {
    throw new TidemarkFailure('AccountingMismatch', `${reading.sent} rows sent, ${staged} rows staged`);
  }
  const { merged, superseded } =
    staged <= FEW_ROWS ? await mergeFew(session, input) : await mergeMany(session, input);
  const counts: RowCounts = {
    read: reading.read,
    inserted: merged?.inserted ?? 0,
    updated: merged?.updated ?? 0,
    unchanged: merged?.unchanged ?? 0,
    stale: merged?.stale ?? 0,
    superseded,
    alarm: reading.alarm,
    sentinel: reading.sentinel,
    rejected: reading.rejected,
  };
  if (!balances(counts)) {
    throw new TidemarkFailure('AccountingMismatch', `the counts do not add up: ${JSON.stringify(counts)}`);
  }
  return counts;
}

interface Merged {
  readonly merged: MergeCounts | undefined;
  readonly superseded: number;
}

/** In one round trip, by plans made once a connection. */
async function mergeFew(session: Session, { dataset, key, mode, target }: MergeInput): Promise<Merged> {
  const texts = target === undefined ? textsOf(dataset, mode) : makeTexts(dataset, mode, target);
  const [superseded, merged] = await session.roundTrip([
    { text: texts.supersede, prepared: true },
    { text: texts.merge, values: [key], prepared: true },
  ]);
  return {
    superseded: (superseded?.rows[0] as { superseded: number } | undefined)?.superseded ?? 0,
    merged: merged?.rows[0] as MergeCounts | undefined,
  };
}

async function mergeMany(session: Session, input: MergeInput): Promise<Merged> {
  const { dataset, key, mode, target } = input;
  const [superseded] = await session.queryLong<{ superseded: number }>(supersedeSql(dataset));
  const filled = (await isEmpty(session, dataset, target)) ? await fill(session, input) : undefined;
  const merged = filled ?? (await session.queryLong<MergeCounts>(mergeSql(dataset, mode, target), [key]))[0];
  return { superseded: superseded?.superseded ?? 0, merged };
}

interface Texts {
  readonly supersede: string;
  readonly merge: string;
}

const texts = new WeakMap<Dataset, Map<MergeMode, Texts>>();

/** The texts of a dataset's own merge, made once: their making takes longer than a small merge's other work here. */
function textsOf(dataset: Dataset, mode: MergeMode): Texts {
  const known = texts.get(dataset) ?? new Map<MergeMode, Texts>();
  const made = known.get(mode) ?? makeTexts(dataset, mode);
  texts.set(dataset, known.set(mode, made));
  return made;
}

function makeTexts(dataset: Dataset, mode: MergeMode, target?: string): Texts {
  return { supersede: supersedeSql(dataset), merge: mergeSql(dataset, mode, target) };
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

async function writeLedgerAndCommit(
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
  const values = [
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
  ];
  await session.roundTripLong([
    { text: WRITE_LEDGER, values, prepared: true },
    ...rejectsOf(input),
    { text: 'commit', prepared: true },
  ]);
}

const WRITE_LEDGER = `
with ledger as (
  insert into tickets.import_meta (dataset, source_key, export_type, rows_read, rows_inserted, rows_updated,
    rows_unchanged, rows_superseded, rows_stale, rows_alarm, rows_sentinel, rows_rejected, metadata)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb)
)
update tickets.import_failures set resolved_at = clock_timestamp(), resolution = $3
where dataset = $1 and source_key = $2 and resolved_at is null`;

/** Rejected rows within the dataset's allowance are kept beside the rows that were applied. */
function rejectsOf({ dataset, key, etag, reading }: ApplyInput): readonly Statement[] {
  if (reading.rejects.length === 0) return [];
  return [{ text: INSERT_REJECTS, values: [dataset.name, key, etag, JSON.stringify(reading.rejects)] }];
}

/** Keeps rejected rows: $1 dataset, $2 key, $3 ETag, $4 a JSON array of `Reject`. */
export const INSERT_REJECTS = `
insert into tickets.import_rejects (dataset, source_key, etag, line, column_name, reason, row_text)
select $1, $2, $3, r.line, r."column", r.reason, r."row"
from jsonb_to_recordset($4::jsonb) as r(line bigint, "column" text, reason text, "row" text)
on conflict (dataset, source_key, etag, line) do nothing`;
