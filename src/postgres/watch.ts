/** What monitoring asks of PostgreSQL: one statement for all datasets. */

import type { DatasetWatch } from '../domain/alerts.ts';
import type { Queryable } from './queryable.ts';

/** Reads the datasets of these names that PostgreSQL knows. */
export function readWatch(db: Queryable, datasets: readonly string[]): Promise<DatasetWatch[]> {
  return db.query<DatasetWatch>(WATCH, [datasets]);
}

const WATCH = `
select d.dataset, d.enabled, extract(epoch from clock_timestamp() - s.enabled_since)::float8 as "enabledFor",
  d.freshness_seconds as freshness, d.rows::float8 as rows,
  greatest(d.last_checked_at, d.last_applied_at) as "checkedAt",
  extract(epoch from clock_timestamp() - greatest(d.last_checked_at, d.last_applied_at))::float8 as "checkAge",
  d.pending_total::float8 as pending,
  jsonb_build_object('keys', d.late, 'total', d.late_total) as late,
  jsonb_build_object('keys', d.changed, 'total', d.changed_total) as changed,
  jsonb_build_object('keys', d.future, 'total', d.future_total) as future,
  coalesce((s.last_listing ->> 'isWhole')::boolean, false) as listed,
  r.refused, r.failed, r.vanished, r.rejected, t.truncated,
  d.archive_debt::float8 as "archiveDebt",
  case when d.archive_debt = 0 then 0 else coalesce(o.age, 0) end as "archiveDebtAge"
from tickets.dataset_status d
join tickets.dataset_state s using (dataset)
left join lateral (
  select
    coalesce(jsonb_agg(jsonb_build_object('key', n.source_key, 'etag', n.etag, 'kind', n.kind, 'line', n.line,
      'column', n.column_name) order by n.source_key collate "C") filter (where n.place <= 100), '[]') as refused,
    (count(*) filter (where n.kind <> 'FileVanished'))::float8 as failed,
    (count(*) filter (where n.kind = 'FileVanished'))::float8 as vanished,
    coalesce(sum(n.rejected), 0)::float8 as rejected
  from (
    select l.*, row_number() over (order by l.source_key collate "C") as place
    from (
      -- A file may have been refused with several contents: the latest one counts.
      select distinct on (f.source_key) f.*
      from tickets.import_failures f
      where f.dataset = d.dataset and f.resolved_at is null and f.kind <> 'FileChanged'
      order by f.source_key, f.last_at desc
    ) l
  ) n
) r on true
left join lateral (
  select coalesce(jsonb_agg(jsonb_build_object('key', c.source_key, 'exportType', c.export_type)
    order by c.id desc), '[]') as truncated
  from (
    select x.id, x.source_key, x.export_type
    from tickets.truncated_exports x
    where x.dataset = d.dataset
      and (x.export_type = 'baseline' or x.imported_at > clock_timestamp() - interval '1 day')
    order by x.id desc limit 100
  ) c
) t on true
left join lateral (
  select extract(epoch from clock_timestamp() - min(m.imported_at))::float8 as age
  from tickets.import_meta m
  where m.dataset = d.dataset and m.archived_at is null
    and m.export_type in ('baseline', 'delta', 'late', 'reload')
) o on true
where d.dataset = any($1::text[])
order by d.dataset`;
