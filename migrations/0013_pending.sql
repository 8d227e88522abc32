-- As in 0011, but for two columns. `pending_total`: where the last listing names all pending files, those of them that wait still
-- are counted; so a skip of a file that was not pending takes none away. `freshness_seconds`: a stamp means the same to every
-- session, also to one whose own zone skips that hour.
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
  case
    when p.listed_total <= p.listed then p.waiting
    else greatest(p.listed_total - coalesce(a.since_check, 0) - coalesce(f.since_check, 0), 0)
  end as pending_total,
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
  select regexp_replace(
    substring(w.watermark from '(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2})\.[a-z.]+$'),
    'T(\d\d)-(\d\d)-(\d\d)$', ' \1:\2:\3'
  )::timestamp at time zone 'Africa/Nairobi' as at
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
  select
    jsonb_agg(k.key order by k.key collate "C") filter (where k.waits) as keys,
    count(*) filter (where k.waits) as waiting,
    count(*) as listed,
    coalesce((s.last_listing -> 'pending' ->> 'total')::bigint, 0) as listed_total
  from (
    -- A skip and a refusal are of one content: only those since the listing are of what it saw.
    select n.key, not exists (
      select from tickets.import_meta m
      where m.dataset = s.dataset and m.source_key = n.key
        and (m.export_type <> 'skipped' or m.imported_at >= b.began_at)
    ) and not exists (
      select from tickets.import_failures i
      where i.dataset = s.dataset and i.source_key = n.key and i.resolved_at is null and i.last_at >= b.began_at
    ) as waits
    from jsonb_array_elements_text(s.last_listing -> 'pending' -> 'keys') as n(key)
  ) k
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
