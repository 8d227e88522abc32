/**
 * What PostgreSQL itself needs: psql reads the file from the local disk with `\copy` into a temporary table of text,
 * and one `insert … select` casts, filters, normalises and upserts; one transaction.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inc } from '../../src/datasets/inc.ts';
import { HEADER } from '../sample/ticket.ts';
import type { BenchFile } from './files.ts';
import type { Ground } from './ground.ts';
import { runTimed } from './runTimed.ts';
import { THEIRS } from './tables.ts';

/** `plain` as most would write it; `tuned` as one would who knows PostgreSQL well and has measured. */
export type ReferenceKind = 'plain' | 'tuned';

const COLUMNS = Object.keys(inc.columns);
const OTHERS = COLUMNS.filter((name) => name !== inc.primaryKey);
const UPSERT = `on conflict (${inc.primaryKey}) do update set
  ${OTHERS.map((name) => `${name} = excluded.${name}`).join(', ')}`;
/** The table that takes the file as it stands. */
export const RAW = `create temporary table raw (${HEADER.map((name) => `${name} text`).join(', ')}) on commit drop;`;
const KEPT = `ticket_id not like '${inc.sentinel}%' and not coalesce(is_alarm::boolean, false)`;

/** Loads a file by psql into the others' table. @returns milliseconds, from the start of psql to its end */
export async function runReference(ground: Ground, kind: ReferenceKind, file: BenchFile): Promise<number> {
  const script = join(ground.directory, `${kind}.sql`);
  await writeFile(script, kind === 'plain' ? plainScript(file.path) : tunedScript(file.path));
  return runTimed(ground, { command: 'psql', args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', script] });
}

/** The statement with which the plain reference, and importers that stage as text, merge table `raw`. */
export function plainMerge(): string {
  return `insert into ${THEIRS} (${COLUMNS.join(', ')})
select ${COLUMNS.map(plainValue).join(', ')}
from raw
where ${KEPT}
${UPSERT};`;
}

function plainScript(path: string): string {
  return `set timezone = 'Africa/Nairobi';
begin;
${RAW}
\\copy raw from '${path}' with (format csv, header true)
${plainMerge()}
commit;
`;
}

/**
 * The fastest that was found (docs/performance.md): cells are cast on the way in, alarms left out there, by COPY; the
 * temporary table stays in memory and needs no further look at who may see its rows; spellings that are canonical pass
 * as they are; rows that are stored already are not written again.
 */
function tunedScript(path: string): string {
  const values = COLUMNS.map((name) => `${tunedValue(name)} as ${name}`);
  return `set timezone = 'Africa/Nairobi';
set temp_buffers = '1GB';
set work_mem = '256MB';
begin;
create temporary table raw (${HEADER.map((name) => `${name} ${rawType(name)}`).join(', ')}) on commit drop;
\\copy raw from '${path}' with (format csv, header true, freeze true) where ticket_id not like '${inc.sentinel}%' and is_alarm is not true
insert into ${THEIRS} (${COLUMNS.join(', ')})
select ${COLUMNS.map((name) => `s.${name}`).join(', ')}
from (select ${values.join(', ')} from raw) s
left join ${THEIRS} t on t.ticket_id = s.ticket_id
where t.ticket_id is null
  or (${OTHERS.map((name) => `s.${name}`).join(', ')}) is distinct from (${OTHERS.map((name) => `t.${name}`).join(', ')})
${UPSERT};
commit;
`;
}

/** With which type the tuned reference takes a column in. Alarms may have no number as a coordinate: they are cast later. */
function rawType(name: string): string {
  if (name === inc.alarmColumn) return 'boolean';
  const type = inc.columns[name]?.type ?? 'text';
  // As a date PostgreSQL would drop an instant's time and zone unread.
  if (type === 'date') return 'timestamptz';
  return type === 'double precision' ? 'text' : type;
}

function tunedValue(name: string): string {
  const column = inc.columns[name];
  if (column?.canonical) {
    const canonical = column.canonical.values.map((value) => `'${value}'`).join(', ');
    return `case when ${name} in (${canonical}) then ${name} else ${normalised(name)} end`;
  }
  if (column?.type === 'date') return `${name}::date`;
  return rawType(name) === 'text' ? plainValue(name) : name;
}

function plainValue(name: string): string {
  const column = inc.columns[name];
  if (name === inc.primaryKey) return `btrim(${name})`;
  if (column?.canonical) return normalised(name);
  if (column?.type === 'date') return inNairobi(name);
  return column?.type === 'text' ? name : `${name}::${column?.type}`;
}

/** Weeks come as dates and as instants. */
function inNairobi(name: string): string {
  return `case when length(${name}) = 10 then ${name}::date else ${name}::timestamptz::date end`;
}

function normalised(name: string): string {
  const canonical = inc.columns[name]?.canonical;
  const gaps = canonical?.separators ? `[\\s_-]+` : `\\s+`;
  const cases = (canonical?.values ?? []).map((value) => `when '${value.toLowerCase()}' then '${value}'`);
  return `case lower(btrim(regexp_replace(${name}, '${gaps}', ' ', 'g'))) ${cases.join(' ')}
    else btrim(regexp_replace(${name}, '\\s+', ' ', 'g')) end`;
}
