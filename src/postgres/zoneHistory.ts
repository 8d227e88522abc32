import type { ZoneHistory } from '../rows/zone.ts';
import type { Queryable } from './queryable.ts';

/** The zone of the stamps and of naive times. */
const ZONE = 'Africa/Nairobi';

/** How far east of UTC PostgreSQL takes a local time to be, seconds. */
function east(local: string): string {
  return `(extract(epoch from ${local}) - extract(epoch from ${local} at time zone '${ZONE}'))::int`;
}

/** Local times, a step apart, at which the offset is another than a step before. */
function changes(series: string, partition: string): string {
  return `
  select x, since from (
    select x, since, ${east('x')} as east, lag(${east('x')}) over (${partition} order by x) as before from ${series}
  ) s where east <> before`;
}

/** Weeks in which the offset changes, then their hours, then the seconds of these. */
const HISTORY = `
with week as (
  ${changes(`generate_series('1850-01-01'::timestamp, '1970-01-15', '1 week') x, (select null) n(since)`, '')}
), hour as (
  ${changes(`week w(since, _), generate_series(since - interval '1 week', since, '1 hour') x`, 'partition by since')}
), second as (
  ${changes(`hour h(since, _), generate_series(since - interval '1 hour', since, '1 second') x`, 'partition by since')}
)
select (extract(epoch from x) - extract(epoch from timestamp '2000-01-01'))::float8 as "from", ${east('x')} as east
from (select timestamp '1850-01-01' as x union all select x from second) s
order by x`;

/** Asks the server what it knows of the zone: servers' tables of zones differ in what was before 1960. */
export async function readZoneHistory(session: Queryable): Promise<ZoneHistory> {
  return { changes: await session.query<{ from: number; east: number }>(HISTORY) };
}
