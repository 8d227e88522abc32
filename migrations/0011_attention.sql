-- Who is told: of a dataset that never gets a file, and of what the exporter cut short until something makes up for it.

-- When the dataset was switched on, as the worker tells it that started then.
alter table tickets.dataset_state add column enabled_since timestamptz not null default clock_timestamp();
grant update (enabled_since) on tickets.dataset_state to tidemark_worker;

create index import_meta_truncated on tickets.import_meta (dataset, id desc)
  where export_type in ('baseline', 'delta') and metadata @> '{"truncated": true}';

-- The files that were cut short and lack rows still. Made up for: by a reload of the same name that was not cut short; by a
-- later baseline; by a rebuild that began with a later file which has all tickets and was not cut short, or is reloaded.
create view tickets.truncated_exports as
with cut as (
  select m.dataset, m.id, m.source_key, m.export_type, m.imported_at
  from tickets.import_meta m
  where m.export_type in ('baseline', 'delta') and m.metadata @> '{"truncated": true}'
    and not exists (
      select from tickets.import_meta l
      where l.dataset = m.dataset and l.source_key = m.source_key and l.id > m.id and l.export_type = 'reload'
        and not l.metadata @> '{"truncated": true}'
    )
)
select c.dataset, c.id, c.source_key, c.export_type, c.imported_at
from cut c
where not exists (
  select from tickets.import_meta b
  where b.dataset = c.dataset and b.id > c.id and b.export_type = 'baseline'
) and not exists (
  select from tickets.import_meta r
  -- A rebuild says that a file has all tickets by removing the others; else it was seen when the file was loaded.
  join tickets.import_meta f on f.id = (r.metadata ->> 'from_id')::bigint and f.id > c.id
    and ((r.metadata ->> 'removes')::boolean or f.metadata ? 'looks_like_baseline')
  where r.dataset = c.dataset and r.id > c.id and r.export_type = 'rebuilt'
    and not exists (select from cut where cut.id = f.id)
);

-- As in 0008, but for `truncated`.
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
  -- A truncated baseline stays incomplete until something makes up for it; a truncated delta until the next delta too.
  select bool_or(x.export_type = 'baseline' or not exists (
    select from tickets.import_meta m
    where m.dataset = x.dataset and m.id > x.id and m.export_type = 'delta'
  )) as truncated
  from tickets.truncated_exports x
  where x.dataset = s.dataset
) t on true;

grant select on tickets.truncated_exports to tidemark_worker, tidemark_reader;
