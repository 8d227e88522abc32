-- The ledger and what stands beside it: what was done with each change file, what each dataset's state is,
-- what was refused. Words as in the README's glossary.

create schema if not exists tickets;

-- One row per deed, never updated but for archived_at.
create table tickets.import_meta (
  id bigint generated always as identity primary key,
  dataset text not null,
  source_key text not null,
  export_type text not null
    check (export_type in ('baseline', 'delta', 'late', 'reload', 'skipped', 'adopted')),
  rows_read bigint not null default 0,
  rows_inserted bigint not null default 0,
  rows_updated bigint not null default 0,
  rows_unchanged bigint not null default 0,
  rows_superseded bigint not null default 0,
  rows_stale bigint not null default 0,
  rows_alarm bigint not null default 0,
  rows_sentinel bigint not null default 0,
  rows_rejected bigint not null default 0,
  imported_at timestamptz not null default clock_timestamp(),
  archived_at timestamptz,
  metadata jsonb not null default '{}',
  constraint import_meta_balances check (
    export_type in ('skipped', 'adopted')
    or rows_read = rows_inserted + rows_updated + rows_unchanged + rows_superseded + rows_stale
      + rows_alarm + rows_sentinel + rows_rejected
  )
);

-- No retry, zombie or second worker can apply a file twice.
create unique index import_meta_applied_once on tickets.import_meta (dataset, source_key)
  where export_type in ('baseline', 'delta', 'late');

-- In the database's own collation: it is looked up by equality alone.
create index import_meta_by_key on tickets.import_meta (dataset, source_key, id desc);

create index import_meta_watermark
  on tickets.import_meta (dataset, ((metadata ->> 'source_max_key') collate "C") desc)
  where metadata ? 'source_max_key';

create index import_meta_unarchived on tickets.import_meta (dataset, source_key collate "C")
  where archived_at is null and export_type in ('baseline', 'delta', 'late', 'reload');

-- One row per dataset: the row that a load locks, and the last listing.
create table tickets.dataset_state (
  dataset text primary key,
  enabled boolean not null default true,
  archives boolean not null default true,
  last_checked_at timestamptz,
  -- {"pending":{"total":n,"keys":[…]},"late":…,"changed":…,"future":…,"covered":…,"ignored":…}, keys cut at 100
  last_listing jsonb not null default '{}'
);

-- What was refused, by key and content. Open while resolved_at is null: the dataset stops there.
create table tickets.import_failures (
  dataset text not null,
  source_key text not null,
  etag text not null,
  kind text not null,
  line bigint,
  column_name text,
  code text,
  rejected bigint,
  message text not null,
  -- Of the dataset's definition that refused the content: another definition may take it.
  definition text,
  since timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 1,
  resolved_at timestamptz,
  resolution text,
  primary key (dataset, source_key, etag)
);

create index import_failures_open on tickets.import_failures (dataset, source_key collate "C")
  where resolved_at is null;

-- Rows that could not be read. row_text holds the record as it stands in the file (cut at 64 KiB), here and nowhere else.
create table tickets.import_rejects (
  dataset text not null,
  source_key text not null,
  etag text not null,
  line bigint not null,
  column_name text,
  reason text not null,
  row_text text not null,
  rejected_at timestamptz not null default clock_timestamp(),
  primary key (dataset, source_key, etag, line)
);

-- All that `tidemark status` shows, from PostgreSQL alone; pending, late, changed and future files as of the last check.
create view tickets.dataset_status as
select
  s.dataset,
  s.enabled,
  w.watermark,
  a.last_applied_at,
  s.last_checked_at,
  extract(epoch from clock_timestamp() - tickets_stamp.at)::double precision as freshness_seconds,
  coalesce(a.rows, 0) as rows,
  coalesce(p.keys, '[]'::jsonb) as pending,
  greatest(
    coalesce((s.last_listing -> 'pending' ->> 'total')::bigint, 0)
      - coalesce(a.since_check, 0) - coalesce(f.since_check, 0), 0
  ) as pending_total,
  coalesce(s.last_listing -> 'late' -> 'keys', '[]'::jsonb) as late,
  coalesce((s.last_listing -> 'late' ->> 'total')::bigint, 0) as late_total,
  coalesce(s.last_listing -> 'changed' -> 'keys', '[]'::jsonb) as changed,
  coalesce((s.last_listing -> 'changed' ->> 'total')::bigint, 0) as changed_total,
  coalesce(s.last_listing -> 'future' -> 'keys', '[]'::jsonb) as future,
  coalesce((s.last_listing -> 'future' ->> 'total')::bigint, 0) as future_total,
  coalesce(f.failed, '[]'::jsonb) as failed,
  coalesce(f.total, 0) as failed_total,
  case when s.archives then coalesce(a.archive_debt, 0) else 0 end as archive_debt,
  coalesce(t.truncated, false) as truncated
from tickets.dataset_state s
left join lateral (
  -- A listing has pages, and files are loaded between them.
  select coalesce((s.last_listing ->> 'began_at')::timestamptz, s.last_checked_at) as began_at
) b on true
left join lateral (
  select (m.metadata ->> 'source_max_key') collate "C" as watermark
  from tickets.import_meta m
  where m.dataset = s.dataset and m.metadata ? 'source_max_key'
  order by (m.metadata ->> 'source_max_key') collate "C" desc
  limit 1
) w on true
left join lateral (
  -- The stamp in the watermark's name is local time in Nairobi.
  select to_timestamp(substring(w.watermark from '(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2})\.[a-z.]+$'),
    'YYYY-MM-DD"T"HH24-MI-SS')::timestamp at time zone 'Africa/Nairobi' as at
) tickets_stamp on true
left join lateral (
  select
    max(m.imported_at) filter (where m.export_type in ('baseline', 'delta', 'late', 'reload')) as last_applied_at,
    sum(m.rows_inserted)::bigint as rows,
    count(*) filter (
      where m.export_type in ('baseline', 'delta', 'skipped') and m.imported_at >= b.began_at
    ) as since_check,
    count(*) filter (
      where m.archived_at is null and m.export_type in ('baseline', 'delta', 'late', 'reload')
    ) as archive_debt
  from tickets.import_meta m
  where m.dataset = s.dataset
) a on true
left join lateral (
  select jsonb_agg(k.key order by k.key collate "C") as keys
  from jsonb_array_elements_text(s.last_listing -> 'pending' -> 'keys') as k(key)
  where not exists (
    select from tickets.import_meta m where m.dataset = s.dataset and m.source_key = k.key
  ) and not exists (
    select from tickets.import_failures i
    where i.dataset = s.dataset and i.source_key = k.key and i.resolved_at is null
  )
) p on true
left join lateral (
  select
    jsonb_agg(
      jsonb_build_object(
        'key', o.source_key, 'kind', o.kind, 'line', o.line, 'column', o.column_name, 'since', o.since
      ) order by o.source_key collate "C"
    ) filter (where o.place <= 100) as failed,
    count(*) as total,
    count(*) filter (where o.since >= b.began_at) as since_check
  from (
    select n.*, row_number() over (order by n.source_key collate "C") as place
    from (
      -- A file may have been refused with several contents: the latest one counts.
      select distinct on (i.source_key) i.*
      from tickets.import_failures i
      where i.dataset = s.dataset and i.resolved_at is null and i.kind <> 'FileChanged'
      order by i.source_key, i.last_at desc
    ) n
  ) o
) f on true
left join lateral (
  -- A truncated baseline stays incomplete until the next one; a truncated delta until the next delta.
  select bool_or(n.truncated) as truncated
  from (
    select distinct on (m.export_type) coalesce((m.metadata ->> 'truncated')::boolean, false) as truncated
    from tickets.import_meta m
    where m.dataset = s.dataset and m.export_type in ('baseline', 'delta')
    order by m.export_type, m.id desc
  ) n
) t on true;
