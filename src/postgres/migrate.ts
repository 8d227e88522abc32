/** Numbered SQL files, applied once each, in order, forward only, under a lock. */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { crq } from '../datasets/crq.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { inc } from '../datasets/inc.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { Database } from './database.ts';
import { adopt, setAside, type MovedIn } from './moveIn.ts';
import type { Queryable } from './queryable.ts';
import { takeTable } from './takeTable.ts';

/** Any number that no one else uses: two migrations at once wait for each other. */
const LOCK = 7_223_062_114;

/** The migration that makes our own `tickets.import_meta`. */
const LEDGER = '0001_ledger.sql';

/** The migrations that make a target table which an older loader may have made. */
const TARGETS: Readonly<Record<string, Dataset>> = { '0002_inc.sql': inc, '0007_crq.sql': crq };
const CREATE = /^create table(?= )/m;

const FILES = new URL('../../migrations/', import.meta.url);

/** What a migration did. */
export interface MigrateResult {
  readonly applied: readonly string[];
  readonly present: number;
  /** Where an older loader was found. */
  readonly movedIn?: MovedIn;
}

/**
 * Applies what is missing, all in one transaction; an older loader's ledger is set aside in it.
 *
 * @param who user@host, kept with what is taken over
 * @throws TidemarkFailure where a file that was applied has another content now: migrations are never edited; or where
 * an older loader's ledger cannot be understood
 */
export async function migrate(db: Database, who?: string): Promise<MigrateResult> {
  const files = (await readdir(FILES)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return db.transaction(async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(${LOCK})`);
    await tx.query(`create schema if not exists tickets`);
    await tx.query(
      `create table if not exists tickets.schema_migrations (
         name text primary key, sha256 text not null, applied_at timestamptz not null default clock_timestamp())`,
    );
    const rows = await tx.query<{ name: string; sha256: string }>(
      `select name, sha256 from tickets.schema_migrations`,
    );
    const known = new Map(rows.map((row) => [row.name, row.sha256]));
    const applied: string[] = [];
    if (files.some((name) => !known.has(name))) await checkRoles(tx);
    const found = known.has(LEDGER) ? undefined : await setAside(tx);
    for (const name of files) {
      const text = await readFile(new URL(name, FILES), 'utf8');
      const sha256 = createHash('sha256').update(text).digest('hex');
      if (known.get(name) === sha256) continue;
      if (known.has(name)) {
        throw new TidemarkFailure(
          'BadRequest',
          `migration ${name} was applied with another content`,
          {},
          'Restore the file; a change is a new migration',
        );
      }
      const target = TARGETS[name];
      const taken = target !== undefined && (await takeTable(tx, target));
      await tx.query(taken ? text.replace(CREATE, '$& if not exists') : text);
      await tx.query(`insert into tickets.schema_migrations (name, sha256) values ($1, $2)`, [name, sha256]);
      applied.push(name);
    }
    const movedIn = found && (await adopt(tx, found, who));
    return { applied, present: known.size, ...(movedIn && { movedIn }) };
  });
}

/**
 * The group roles are there, or can be created: PostgreSQL itself would only say that permission is denied.
 *
 * @throws TidemarkFailure with the statements for an administrator
 */
async function checkRoles(tx: Queryable): Promise<void> {
  const missing = await tx.query<{ name: string }>(
    `select name from unnest(array['tidemark_worker', 'tidemark_reader', 'tidemark_rebuilder']) as name
     where not exists (select from pg_catalog.pg_roles where rolname = name)
       and not (select rolcreaterole or rolsuper from pg_catalog.pg_roles where rolname = current_user)`,
  );
  if (missing.length === 0) return;
  const statements = missing.map(({ name }) => `create role ${name} nologin;`).join(' ');
  throw new TidemarkFailure(
    'BadRequest',
    'group roles are missing, and this login may not create them; nothing was applied',
    {},
    `Have an administrator type, once for the whole server: ${statements} Then: tidemark migrate`,
  );
}
