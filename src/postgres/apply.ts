/**
 * The transaction that makes a staged file part of the table: rows, ledger row and watermark together, or nothing.
 *
 * The dataset's `dataset_state` row is the fence. Whoever holds it is the only one to decide about the dataset, and
 * decides from the ledger: no zombie attempt, retry or second worker can apply a file twice or move the watermark back.
 */

import type { RowCounts } from '../domain/counts.ts';
import { BEGIN, fenced, type Fence } from './fence.ts';
import { noteRows } from './keptPlan.ts';
import type { LockPatience } from './limits.ts';
import { checkAccounts, mergeStaged } from './mergeStaged.ts';
import { notification } from './notification.ts';
import type { Session } from './pool.ts';
import type { Statement } from './roundTrip.ts';
import { targetTable } from './tables.ts';
import { refusalOf, type Turn } from './turn.ts';
import type { Ahead } from './writeAhead.ts';

/** A file that is applied. */
export interface ApplyFile extends Turn {
  readonly etag: string;
  readonly patience: LockPatience;
  /** When reading began, milliseconds since the epoch; for `metadata.seconds`. */
  readonly startedAt: number;
  /** Recorded in the ledger's metadata: workflow and run id, who and why. */
  readonly provenance: Readonly<Record<string, string>>;
}

/** One that is staged. */
export interface ApplyInput extends ApplyFile {
  /** Rows that PostgreSQL counted in the COPY. */
  readonly staged: number;
}

/** What the transaction found and did. */
export type ApplyResult =
  | {
      readonly outcome: 'applied';
      readonly exportType: 'baseline' | 'delta' | 'late' | 'reload';
      readonly counts: RowCounts;
      readonly watermark: string;
      readonly seconds: number;
      /** A delta with nearly as many tickets as the table: the source may have been seeded again. */
      readonly looksLikeBaseline?: true;
    }
  /** The ledger has the key: somebody (an earlier attempt, perhaps) was here first. */
  | { readonly outcome: 'already' }
  /**
   * Not its turn: the watermark is past the key and the ledger does not know it, this content was skipped meanwhile, or
   * a file before it stops the dataset. The next listing decides.
   */
  | { readonly outcome: 'late' };

/** Applies a staged file, all or nothing, on the session that staged it. */
export async function applyStaged(session: Session, input: ApplyInput): Promise<ApplyResult> {
  const { fence } = await fenced(session, input, { before: [BEGIN], kept: rejectsOf(input) });
  return decide(session, input, fence, () => mergeStaged(session, input));
}

/**
 * Applies a file whose rows the session's open transaction has written already, all or nothing; undefined, and nothing
 * changed, where they are not what the file makes of the table.
 */
export async function applyAhead(
  session: Session,
  input: ApplyInput,
  ahead: Ahead,
): Promise<ApplyResult | undefined> {
  const { reading, staged } = input;
  const { fence } = await fenced(session, input, { kept: rejectsOf(input) });
  return decide(session, input, fence, async () => {
    const found = ahead.found({
      rows: staged,
      mayRepeat: reading.mayRepeat,
      ledgerVersion: fence.ledgerVersion,
    });
    return found && checkAccounts(reading, staged, found);
  });
}

/**
 * Ends the transaction that holds the fence.
 *
 * @param merge counts the rows, having written them; undefined, as the result then is, where they may not stay
 * @param send sends the deed for the ledger, and the commit
 */
export async function decide<Counts extends RowCounts | undefined>(
  session: Session,
  input: ApplyFile,
  fence: Fence,
  merge: () => Counts | Promise<Counts>,
  send: Session['roundTripLong'] = (statements) => session.roundTripLong(statements),
): Promise<ApplyResult | Extract<Counts, undefined>> {
  const refusal = refusalOf(fence, input);
  const counts = refusal ? undefined : await merge();
  if (counts) return record(session, input, { fence, counts, send });
  await session.query('rollback');
  return refusal ?? (undefined as Extract<Counts, undefined>);
}

/** What is to be written into the ledger, and how. */
interface Recording {
  readonly fence: Fence;
  readonly counts: RowCounts;
  readonly send: Session['roundTripLong'];
}

/** Writes the deed into the ledger, and commits. */
async function record(
  session: Session,
  input: ApplyFile,
  { fence, counts, send }: Recording,
): Promise<ApplyResult> {
  const { key, mode } = input;
  const exportType = mode !== 'inOrder' ? mode : fence.watermark === null ? 'baseline' : 'delta';
  const watermark = mode === 'inOrder' ? key : (fence.watermark ?? key);
  const seconds = (Date.now() - input.startedAt) / 1000;
  const stored = fence.rows;
  // Small files that come next are merged before the ledger says how many there are.
  noteRows(session, targetTable(input.dataset), stored + counts.inserted);
  const [written] = await send(ledgerAndCommit(input, { exportType, counts, watermark, seconds, stored }));
  const looks = (written?.rows[0] as { looks: boolean } | undefined)?.looks ?? false;
  return {
    outcome: 'applied',
    exportType,
    counts,
    watermark,
    seconds,
    ...(looks && { looksLikeBaseline: looks }),
  };
}

/** What was done. */
interface Deed {
  readonly exportType: string;
  readonly counts: RowCounts;
  readonly watermark: string;
  readonly seconds: number;
  /** Rows of the table before. */
  readonly stored: number;
}

/** The first says whether it looks like a baseline, and should not. */
function ledgerAndCommit(
  input: ApplyFile,
  { exportType, counts: c, watermark, seconds, stored }: Deed,
): readonly Statement[] {
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
    rows_stored: stored + c.inserted,
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
    exportType === 'delta' ? ticketsOf(c) : 0,
    targetTable(dataset),
    stored,
  ];
  return [
    { text: WRITE_LEDGER, values, prepared: true },
    ...(dataset.notifies ? [notification({ dataset: dataset.name, key, exportType, counts: { ...c } })] : []),
    { text: 'commit', prepared: true },
  ];
}

/** Tickets of a file; 0 for one of so few that it is not asked how many the table has. */
function ticketsOf({ inserted, updated, unchanged }: RowCounts): number {
  const tickets = inserted + updated + unchanged;
  return tickets < 100 ? 0 : tickets;
}

/** $14 tickets of a delta: with four fifths of the table's, as ledger ($16) or planner knows them, it looks like a baseline. */
const WRITE_LEDGER = `
with ledger as (
  insert into tickets.import_meta (dataset, source_key, export_type, rows_read, rows_inserted, rows_updated,
    rows_unchanged, rows_superseded, rows_stale, rows_alarm, rows_sentinel, rows_rejected, metadata)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb ||
    case when $14::float8 = 0 then '{}' when 0.8 * greatest($16::float8,
      (select reltuples from pg_catalog.pg_class where oid = $15::regclass)) between 1 and $14::float8
      then '{"looks_like_baseline": true}' else '{}' end::jsonb)
  returning metadata ? 'looks_like_baseline' as looks
), settled as (
  update tickets.import_failures set resolved_at = clock_timestamp(), resolution = $3
  where dataset = $1 and source_key = $2 and resolved_at is null
)
select looks from ledger`;

/** Rejected rows within the dataset's allowance are kept beside those that are applied: sent before the lock, being long. */
function rejectsOf({ dataset, key, etag, reading }: ApplyFile): readonly Statement[] {
  if (reading.rejects.length === 0) return [];
  return [{ text: INSERT_REJECTS, values: [dataset.name, key, etag, JSON.stringify(reading.rejects)] }];
}

/** Keeps rejected rows: $1 dataset, $2 key, $3 ETag, $4 a JSON array of `Reject`. */
export const INSERT_REJECTS = `
insert into tickets.import_rejects (dataset, source_key, etag, line, column_name, reason, row_text)
select $1, $2, $3, r.line, r."column", r.reason, r."row"
from jsonb_to_recordset($4::jsonb) as r(line bigint, "column" text, reason text, "row" text)
on conflict (dataset, source_key, etag, line) do nothing`;
