/** Questions about PostgreSQL itself: what the server is, what the login may do, whether a table fits its dataset. */

import type { Dataset } from '../datasets/dataset.ts';
import type { Queryable } from './queryable.ts';

/** The server and the login. */
export interface ServerFacts {
  readonly version: number;
  readonly versionText: string;
  readonly user: string;
  readonly database: string;
  readonly tls: boolean;
  readonly standby: boolean;
  readonly superuser: boolean;
  readonly worker: boolean;
  readonly reader: boolean;
  /** Whether the schema `tickets` is there. */
  readonly schema: boolean;
  readonly usage: boolean;
  readonly temporary: boolean;
  /** Functions of the schema `tickets` that the login needs and may not call, and those that are not there. */
  readonly functionsDenied: readonly string[];
  readonly functionsMissing: readonly string[];
  /** The most connections that login or database may have; -1: no bound of their own. */
  readonly loginConnections: number;
  readonly databaseConnections: number;
  readonly maxConnections: number;
  /** Of those, kept for superusers and for members of pg_use_reserved_connections (PostgreSQL 16 and later). */
  readonly reservedConnections: number;
  /** Pools of workers, their metrics and rebuilders with a connection open, but for who asks: without one it cannot be seen. */
  readonly pools: number;
  /** Connections that these may open, whether or not they have. */
  readonly poolConnections: number;
  /** Connections that all others have open now. */
  readonly otherConnections: number;
}

/** Connections that the server has for one more of Tidemark's programs, when all that are seen have opened theirs. */
export function roomOf(facts: ServerFacts): number {
  const { maxConnections, reservedConnections, poolConnections, otherConnections } = facts;
  return maxConnections - reservedConnections - poolConnections - otherConnections;
}

/** The most that the login may have in this database, by bounds of their own; infinite without. */
export function boundOf({ loginConnections, databaseConnections }: ServerFacts): number {
  return Math.min(...[loginConnections, databaseConnections].map((bound) => (bound < 0 ? Infinity : bound)));
}

/** The sum of `roomOf` in words. */
export function connectionSum(facts: ServerFacts): string {
  const { maxConnections, reservedConnections, pools, poolConnections, otherConnections } = facts;
  const seen = `${pools} other ${pools === 1 ? 'pool' : 'pools'} of workers, their metrics and rebuilders`;
  return (
    `of max_connections = ${maxConnections}, ${reservedConnections} are reserved, ${seen} may open ` +
    `${poolConnections} (one without a connection now is not seen), and others have ${otherConnections}`
  );
}

/** What worker and client call, by name and types as a grant writes them. */
const FUNCTIONS = ['mark_missing(text, text[])', 'withdraw_rebuild(bigint)'];

/** Asks who and what answers. */
export async function readServerFacts(db: Queryable): Promise<ServerFacts> {
  const [facts] = await db.query<ServerFacts>(
    `select current_setting('server_version_num')::int as version,
       split_part(current_setting('server_version'), ' ', 1) as "versionText",
       current_user::text as "user", current_database()::text as database,
       coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls,
       pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on' as standby,
       r.rolsuper as superuser,
       exists (select from pg_roles g where g.rolname = 'tidemark_worker' and pg_has_role(g.oid, 'usage')) as worker,
       exists (select from pg_roles g where g.rolname = 'tidemark_reader' and pg_has_role(g.oid, 'usage')) as reader,
       s.oid is not null as schema,
       coalesce(has_schema_privilege(s.oid, 'usage'), false) as usage,
       has_database_privilege(current_database(), 'temporary') as temporary,
       f.denied as "functionsDenied", f.missing as "functionsMissing",
       r.rolconnlimit as "loginConnections", d.datconnlimit as "databaseConnections",
       current_setting('max_connections')::int as "maxConnections",
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true)::int, 0) as "reservedConnections",
       c.pools, c.pool as "poolConnections", c.other as "otherConnections"
     from pg_roles r join pg_database d on d.datname = current_database()
       left join pg_namespace s on s.nspname = 'tickets'
       cross join lateral (
         select coalesce(array_agg(n.name) filter (where not has_function_privilege(p.oid, 'execute')), '{}') as denied,
           coalesce(array_agg(n.name) filter (where p.oid is null), '{}') as missing
         from unnest($1::text[]) as n(name) left join pg_proc p on p.pronamespace = s.oid
           and p.proname || '(' || oidvectortypes(p.proargtypes) || ')' = n.name
       ) f
       cross join lateral (
         select (count(*) filter (where p.size is not null))::int as pools,
           coalesce(sum(p.size), 0)::int as pool,
           coalesce(sum(p.open) filter (where p.size is null), 0)::int as other
         from (
           -- What a login sees of others' sessions too; who serves the server itself has no user.
           select substring(a.application_name from '^tidemark (\\d{1,5}) [0-9a-f]{8}$')::int as size, count(*) as open
           from pg_stat_activity a
           where a.usesysid is not null and a.datid is not null
             and a.application_name is distinct from current_setting('application_name')
           group by a.application_name
         ) p
       ) c
     where r.rolname = current_user`,
    [FUNCTIONS],
  );
  if (!facts) throw new Error('a login has no role');
  return facts;
}

/** Settings by name, as a session of the login begins; times in milliseconds. Those that the server lacks are left out. */
export async function readSettings(
  db: Queryable,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await db.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name = any($1::text[])`,
    [names],
  );
  return new Map(rows.map(({ name, setting }) => [name, setting]));
}

/** A right to a table or view of the schema `tickets`, or to some of its columns. */
export interface Need {
  readonly table: string;
  readonly privilege: 'select' | 'insert' | 'update';
  readonly columns?: readonly string[];
}

const FAILURE_COLUMNS =
  'kind line column_name code rejected message definition last_at attempts resolved_at resolution'.split(' ');

/** What worker and client need, as the migrations grant it. */
export function needsOf(datasets: readonly Dataset[]): readonly Need[] {
  return [
    { table: 'import_meta', privilege: 'select' },
    { table: 'import_meta', privilege: 'insert' },
    { table: 'import_meta', privilege: 'update', columns: ['archived_at'] },
    { table: 'dataset_state', privilege: 'select' },
    { table: 'dataset_state', privilege: 'insert', columns: ['dataset'] },
    {
      table: 'dataset_state',
      privilege: 'update',
      columns: ['enabled', 'enabled_since', 'archives', 'last_checked_at', 'last_listing'],
    },
    { table: 'import_failures', privilege: 'select' },
    { table: 'import_failures', privilege: 'insert' },
    {
      table: 'import_failures',
      privilege: 'update',
      columns: FAILURE_COLUMNS,
    },
    { table: 'import_rejects', privilege: 'select' },
    { table: 'import_rejects', privilege: 'insert' },
    { table: 'dataset_status', privilege: 'select' },
    { table: 'truncated_exports', privilege: 'select' },
    { table: 'alerts', privilege: 'select' },
    { table: 'alerts', privilege: 'insert' },
    { table: 'webhook_messages', privilege: 'select' },
    ...datasets.flatMap(({ table }) =>
      (['select', 'insert', 'update'] as const).map((privilege) => ({ table, privilege })),
    ),
  ];
}

/** Whether a need is met: `missing` where there is no such table or column. */
export type NeedState = 'granted' | 'denied' | 'missing';

/** Asks the catalogue, which everybody may read, whatever rights to the schema there are. */
export async function checkNeeds(db: Queryable, needs: readonly Need[]): Promise<readonly NeedState[]> {
  const rows = await db.query<{ state: NeedState }>(
    `select case
         when c.oid is null or exists (
           select from unnest(string_to_array(n.columns, ',')) as w(name)
           where not exists (
             select from pg_attribute a where a.attrelid = c.oid and a.attname = w.name and not a.attisdropped)
         ) then 'missing'
         when n.columns is null and has_table_privilege(c.oid, n.privilege) then 'granted'
         when n.columns is not null and (
           select bool_and(has_column_privilege(c.oid, a.attnum, n.privilege)) from pg_attribute a
           where a.attrelid = c.oid and a.attname = any(string_to_array(n.columns, ',')) and not a.attisdropped
         ) then 'granted'
         else 'denied'
       end as state
     from unnest($1::text[], $2::text[], $3::text[]) with ordinality as n("table", privilege, columns, place)
       left join (pg_class c join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'tickets')
         on c.relname = n."table"
     order by n.place`,
    [
      needs.map(({ table }) => table),
      needs.map(({ privilege }) => privilege),
      needs.map(({ columns }) => columns?.join(',') ?? null),
    ],
  );
  return rows.map(({ state }) => state);
}
