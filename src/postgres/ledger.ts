/** What the database knows of a dataset's change files, and the small deeds beside a load. */

import type { KnownFailure, LedgerEntry, PageFacts } from '../domain/states.ts';
import type { RowCounts } from '../domain/counts.ts';
import type { FailureKind } from '../domain/failures.ts';
import { SAME_BYTES } from './failureLog.ts';
import type { Queryable } from './queryable.ts';

/** A range of keys by bytes: after `after`, up to and with `upTo`; open where absent. */
export interface KeyRange {
  readonly after?: string | undefined;
  readonly upTo?: string | undefined;
}

interface FactsRow {
  readonly watermark: string | null;
  readonly adopted: string | null;
  readonly ledger: readonly {
    key: string;
    type: LedgerEntry['exportType'];
    etag: string | null;
    sha256: string | null;
    archived: boolean;
  }[];
  readonly failures: readonly {
    key: string;
    etag: string;
    kind: FailureKind;
    line: number | null;
    column: string | null;
    code: string | null;
    rejected: number | null;
    message: string;
    outdated: boolean;
  }[];
  readonly same: PageFacts['same'];
}

/**
 * The facts that `classify` needs of one page: of the listed keys, and of keys in the page's range that are in no
 * listing (refused or vanished files, archived objects whose `archived_at` is open; at most 100 of each).
 */
export async function readPageFacts(
  db: Queryable,
  input: {
    readonly dataset: string;
    /** `definitionOf` the dataset: what another one refused may be tried again. */
    readonly definition: string;
    readonly keys: readonly string[];
    readonly range: KeyRange;
  },
): Promise<PageFacts> {
  const [row] = await db.query<FactsRow>(PAGE_FACTS, [
    input.dataset,
    input.keys,
    input.range.after ?? null,
    input.range.upTo ?? null,
    input.definition,
  ]);
  return {
    ...(row?.watermark && { watermark: row.watermark }),
    ...(row?.adopted && { adoptedUpTo: row.adopted }),
    ledger: (row?.ledger ?? []).map(({ key, type, etag, sha256, archived }) => ({
      key,
      exportType: type,
      archived,
      ...(etag !== null && { etag }),
      ...(sha256 !== null && { sha256 }),
    })),
    failures: (row?.failures ?? []).map((failure) => toKnownFailure(input.dataset, failure)),
    same: row?.same ?? [],
  };
}

function toKnownFailure(dataset: string, f: FactsRow['failures'][number]): KnownFailure {
  return {
    dataset,
    key: f.key,
    etag: f.etag,
    kind: f.kind,
    message: f.message,
    outdated: f.outdated,
    ...(f.line !== null && { line: f.line }),
    ...(f.column !== null && { column: f.column }),
    ...(f.code !== null && { code: f.code }),
    ...(f.rejected !== null && { rejected: f.rejected }),
  };
}

const PAGE_FACTS = `
with wanted as (
  select unnest($2::text[]) as key
), unarchived as (
  select source_key as key from tickets.import_meta
  where dataset = $1 and archived_at is null and export_type in ('baseline', 'delta', 'late', 'reload')
    and ($3::text is null or source_key collate "C" > $3) and ($4::text is null or source_key collate "C" <= $4)
  order by source_key collate "C" limit 100
), refused as (
  select source_key as key from tickets.import_failures
  where dataset = $1 and resolved_at is null and kind <> 'FileChanged'
    and ($3::text is null or source_key collate "C" > $3) and ($4::text is null or source_key collate "C" <= $4)
  order by source_key collate "C" limit 100
), keys as (
  select key from wanted union select key from unarchived union select key from refused
), latest as (
  select m.* from keys k cross join lateral (
    select distinct on (export_type = 'skipped') source_key as key, export_type as type,
      metadata ->> 'etag' as etag, metadata ->> 'sha256' as sha256, archived_at is not null as archived
    from tickets.import_meta
    where dataset = $1 and source_key = k.key and export_type <> 'rebuilt'
    order by export_type = 'skipped', id desc
  ) m
), failures as (
  select f.source_key as key, f.etag, f.kind, f.line, f.column_name as "column", f.code, f.rejected, f.message,
    f.definition is distinct from $5 as outdated
  from keys k join tickets.import_failures f on f.dataset = $1 and f.source_key = k.key and f.resolved_at is null
), same as (
  select f.source_key as key, f.etag, f.code as sha256
  from keys k join tickets.import_failures f on f.dataset = $1 and f.source_key = k.key and f.resolution = '${SAME_BYTES}'
)
select
  (select metadata ->> 'source_max_key' from tickets.import_meta
    where dataset = $1 and metadata ? 'source_max_key'
    order by (metadata ->> 'source_max_key') collate "C" desc limit 1) as watermark,
  (select max((metadata ->> 'source_max_key') collate "C") from tickets.import_meta
    where dataset = $1 and export_type = 'adopted') as adopted,
  (select coalesce(jsonb_agg(l), '[]') from latest l) as ledger,
  (select coalesce(jsonb_agg(f), '[]') from failures f) as failures,
  (select coalesce(jsonb_agg(s), '[]') from same s) as same`;

/** Which of these keys have their rows in the table. */
export async function loadedKeys(
  db: Queryable,
  dataset: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ key: string }>(
    `select source_key as key from tickets.import_meta
     where dataset = $1 and source_key = any($2::text[]) and export_type in ('baseline', 'delta', 'late')`,
    [dataset, keys],
  );
  return new Set(rows.map(({ key }) => key));
}

/** What the ledger says of a file whose rows are in the table. */
export interface LedgerDeed {
  readonly exportType: 'baseline' | 'delta' | 'late';
  readonly counts: RowCounts;
  /** After this deed. */
  readonly watermark: string;
  /** That the load took. */
  readonly seconds: number;
  /** Of the run that wrote it, absent where it was none of Temporal's. */
  readonly runId: string | null;
}

/** The ledger row of a file whose rows are in the table; `undefined` where they are not. */
export async function readDeed(
  db: Queryable,
  { dataset, key }: { readonly dataset: string; readonly key: string },
): Promise<LedgerDeed | undefined> {
  const [deed] = await db.query<LedgerDeed>(
    `select export_type as "exportType", metadata ->> 'source_max_key' as watermark,
       coalesce((metadata ->> 'seconds')::float8, 0) as seconds, metadata ->> 'run_id' as "runId",
       json_build_object('read', rows_read, 'inserted', rows_inserted, 'updated', rows_updated,
         'unchanged', rows_unchanged, 'superseded', rows_superseded, 'stale', rows_stale, 'alarm', rows_alarm,
         'sentinel', rows_sentinel, 'rejected', rows_rejected) as counts
     from tickets.import_meta
     where dataset = $1 and source_key = $2 and export_type in ('baseline', 'delta', 'late')`,
    [dataset, key],
  );
  return deed;
}

/** Which of these files were left out with this content. */
export async function skippedKeys(
  db: Queryable,
  dataset: string,
  files: readonly { readonly key: string; readonly etag: string }[],
): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ key: string }>(
    `select f.key from unnest($2::text[], $3::text[]) as f(key, etag)
     where exists (select from tickets.import_meta
       where dataset = $1 and source_key = f.key and export_type = 'skipped' and metadata ->> 'etag' = f.etag)`,
    [dataset, files.map(({ key }) => key), files.map(({ etag }) => etag)],
  );
  return new Set(rows.map(({ key }) => key));
}

/**
 * Notes a listing: when, and what it held so far. Never waits for a load, which holds the same row: while one runs,
 * its own run has just listed.
 */
export async function noteListing(
  db: Queryable,
  input: {
    readonly dataset: string;
    readonly enabled: boolean;
    readonly archives: boolean;
    readonly isFirstPage: boolean;
    readonly listing: object;
  },
): Promise<void> {
  await db.query(
    `with free as (
       select dataset from tickets.dataset_state where dataset = $1 for no key update skip locked
     )
     update tickets.dataset_state s
     set enabled = $2, archives = $3, last_checked_at = clock_timestamp(), enabled_since = ${enabledSince('$2')},
       last_listing = $4::jsonb || jsonb_build_object(
         'began_at', case when $5 then to_jsonb(clock_timestamp()) else s.last_listing -> 'began_at' end)
     from free where s.dataset = free.dataset`,
    [input.dataset, input.enabled, input.archives, JSON.stringify(input.listing), input.isFirstPage],
  );
}

/** When the dataset of a row `s` was switched on, where it is to be as `enabled` says, as SQL. */
function enabledSince(enabled: string): string {
  return `case when ${enabled} and not s.enabled then clock_timestamp() else s.enabled_since end`;
}

/**
 * Notes which datasets are switched on, and which archive, as their definitions have it: monitoring asks PostgreSQL, and
 * nobody lists a dataset that is switched off. Never waits for a load, which holds the row.
 *
 * @returns how many rows were held and are not as defined: try again
 */
export async function noteSettings(
  db: Queryable,
  datasets: readonly { readonly name: string; readonly enabled: boolean; readonly archive: boolean }[],
): Promise<number> {
  const names = datasets.map(({ name }) => name);
  await db.query(
    `insert into tickets.dataset_state (dataset) select unnest($1::text[]) on conflict do nothing`,
    [names],
  );
  const [row] = await db.query<{ held: number }>(
    `with defined as (select * from unnest($1::text[], $2::boolean[], $3::boolean[]) as d(dataset, enabled, archives)),
     due as (
       select d.* from tickets.dataset_state s join defined d using (dataset)
       where (s.enabled, s.archives) is distinct from (d.enabled, d.archives)
     ),
     free as (
       select s.dataset from tickets.dataset_state s join due using (dataset) for no key update of s skip locked
     ),
     noted as (
       update tickets.dataset_state s set enabled = d.enabled, archives = d.archives,
         enabled_since = ${enabledSince('d.enabled')}
       from free join due d using (dataset) where s.dataset = free.dataset
       returning s.dataset
     )
     select (select count(*) from due)::float8 - (select count(*) from noted) as held`,
    [names, datasets.map(({ enabled }) => enabled), datasets.map(({ archive }) => archive)],
  );
  return row?.held ?? 0;
}

/** Makes sure that a dataset has the row that its loads lock. */
export async function ensureDatasetState(db: Queryable, dataset: string): Promise<void> {
  await db.query(`insert into tickets.dataset_state (dataset) values ($1) on conflict do nothing`, [dataset]);
}
