-- `rebuild`: a dataset's table built anew beside the live one (docs/decisions/0011). Its rights are a role's of its own.
-- A migration that adds a dataset's table grants it to that role too: select, insert, update, delete.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'tidemark_rebuilder') then
    begin
      create role tidemark_rebuilder nologin;
    exception
      -- Another database's migration was first.
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if not has_database_privilege('tidemark_rebuilder', current_database(), 'temporary') then
    execute format('grant temporary on database %I to tidemark_rebuilder', current_database());
  end if;
end $$;

-- Where tables are built. They belong to the role; one that is kept may be read by who may read the live one.
create schema if not exists tickets_rebuild;
grant usage, create on schema tickets_rebuild to tidemark_rebuilder;
grant usage on schema tickets_rebuild to public;

-- A rebuild as it was asked for, and how far it is.
create table tickets.rebuilds (
  id bigint generated always as identity primary key,
  dataset text not null,
  -- The file to begin with; null: the newest baseline.
  from_key text,
  -- The file after which the table is wanted, under another name; null: the live table is to be mended.
  as_of_key text,
  -- Whether tickets that no file leads to are removed from the live table.
  removes boolean not null default false,
  who text not null,
  reason text not null,
  asked_at timestamptz not null default clock_timestamp(),
  state text not null default 'asked'
    check (state in ('asked', 'building', 'compared', 'applied', 'kept', 'dropped')),
  run_id text,
  -- The ledger row of the file that it begins with, and the last one that it may merge; null: none.
  base_id bigint,
  base_key text,
  up_to bigint,
  -- The watermark of the build: the ledger row merged last.
  last_deed bigint not null default 0,
  -- Whether rows that differ only in the file and line from which they come are different.
  lineage boolean not null default true,
  files_total bigint not null default 0,
  files_done bigint not null default 0,
  rows_built bigint not null default 0,
  -- The table in the schema tickets_rebuild.
  built_table text,
  -- Counts, no values of rows.
  difference jsonb,
  ended_at timestamptz
);

-- The first rows of each kind that a rebuild found to be otherwise.
create table tickets.rebuild_rows (
  rebuild bigint not null references tickets.rebuilds,
  finding text not null check (finding in ('missing', 'different', 'extra')),
  ticket text not null,
  source_key text not null,
  source_line bigint not null,
  primary key (rebuild, finding, ticket)
);

alter table tickets.import_meta
  drop constraint import_meta_export_type_check,
  add constraint import_meta_export_type_check
    check (export_type in ('baseline', 'delta', 'late', 'reload', 'skipped', 'adopted', 'rebuilt'));

create index import_meta_whole on tickets.import_meta (dataset, id desc)
  where export_type in ('baseline', 'rebuilt');
create index import_meta_rebuilt on tickets.import_meta (dataset, id desc) where export_type = 'rebuilt';
create index import_meta_like_baseline on tickets.import_meta (dataset, id desc)
  where metadata ? 'looks_like_baseline';

-- Who rebuilds holds the row that every load locks, and may change nothing in it.
create function tickets.lock_dataset(of_dataset text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  select from tickets.dataset_state where dataset = of_dataset for update;
end;
revoke execute on function tickets.lock_dataset(text) from public;
grant execute on function tickets.lock_dataset(text) to tidemark_rebuilder;

grant usage on schema tickets to tidemark_rebuilder;
grant select, insert on tickets.import_meta to tidemark_rebuilder;
grant select, update (state, run_id, base_id, base_key, up_to, last_deed, lineage, files_total, files_done, rows_built,
  built_table, difference, ended_at) on tickets.rebuilds to tidemark_rebuilder;
grant select, insert, delete on tickets.rebuild_rows to tidemark_rebuilder;
grant select, insert, update, delete on tickets.inc, tickets.inc_shadow, tickets.crq to tidemark_rebuilder;

-- Who types the verb asks, and reads what was found. Nothing of the table is changed by that.
grant select, insert (dataset, from_key, as_of_key, removes, who, reason) on tickets.rebuilds to tidemark_worker;
grant select on tickets.rebuild_rows to tidemark_worker;
grant select on tickets.rebuilds to tidemark_reader;

-- As in 0001, but for the rows after a rebuild, and the column at the end.
create or replace view tickets.dataset_status as
select
  s.dataset,
  s.enabled,
  w.watermark,
  a.last_applied_at,
  s.last_checked_at,
  extract(epoch from clock_timestamp() - tickets_stamp.at)::double precision as freshness_seconds,
  coalesce(r.stored, 0) + coalesce(a.rows, 0) as rows,
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
  coalesce(t.truncated, false) as truncated,
  l.source_key as looks_like_baseline
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
  select m.id, (m.metadata ->> 'rows_stored')::bigint as stored
  from tickets.import_meta m
  where m.dataset = s.dataset and m.export_type = 'rebuilt'
  order by m.id desc
  limit 1
) r on true
left join lateral (
  -- Only a rebuild after it settles it: nobody else can tell whether it was one.
  select m.source_key
  from tickets.import_meta m
  where m.dataset = s.dataset and m.metadata ? 'looks_like_baseline' and m.id > coalesce(r.id, 0)
  order by m.id desc
  limit 1
) l on true
left join lateral (
  select
    max(m.imported_at) filter (where m.export_type in ('baseline', 'delta', 'late', 'reload')) as last_applied_at,
    -- A rebuild has counted the table; what was inserted since is added to that.
    (sum(m.rows_inserted) filter (where m.id > coalesce(r.id, 0)))::bigint as rows,
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
