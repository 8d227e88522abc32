import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { Client } from 'pg';
import { startStack, type Stack } from '../../dev/embedded.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createPool, type Pool } from '../../src/postgres/pool.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { databaseUrl, rebuilderUrl } from '../support/shared.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const MIGRATIONS = readdirSync(new URL('../../migrations/', import.meta.url)).sort();

/** What would undo, hide or forge: no load needs any of it. */
const FORBIDDEN = [
  `delete from tickets.inc`,
  `truncate tickets.inc`,
  `drop table tickets.inc`,
  `alter table tickets.inc add column more text`,
  `create table tickets.more (id int)`,
  `create trigger t before insert on tickets.inc for each row execute function suppress_redundant_updates_trigger()`,
  `delete from tickets.import_meta`,
  `update tickets.import_meta set imported_at = now()`,
  `update tickets.import_meta set rows_read = 0`,
  `update tickets.import_meta set source_key = 'x'`,
  `update tickets.import_meta set metadata = metadata || '{"source_max_key": "z"}'`,
  `insert into tickets.dataset_state (dataset, enabled) values ('x', true)`,
  `delete from tickets.dataset_state`,
  `update tickets.import_failures set source_key = 'x'`,
  `delete from tickets.import_failures`,
  `update tickets.import_rejects set row_text = ''`,
  `delete from tickets.import_rejects`,
  `select from tickets.schema_migrations`,
  `create schema more`,
  `set role tidemark`,
  `copy tickets.inc to program 'true'`,
  `select pg_read_file('/etc/passwd')`,
  `select tickets.lock_dataset('inc')`,
  `update tickets.rebuilds set state = 'applied'`,
  `insert into tickets.rebuilds (dataset, who, reason, state) values ('inc', 'x', 'x', 'applied')`,
  `delete from tickets.rebuild_rows`,
  `delete from tickets.rebuilds`,
  `create table tickets_rebuild.more (id int)`,
];

/** What no rebuild needs. */
const FORBIDDEN_TO_REBUILDER = [
  `truncate tickets.inc`,
  `drop table tickets.inc`,
  `alter table tickets.inc add column more text`,
  `create table tickets.more (id int)`,
  `delete from tickets.import_meta`,
  `update tickets.import_meta set archived_at = now()`,
  `update tickets.import_meta set metadata = metadata || '{"source_max_key": "z"}'`,
  `select from tickets.dataset_state`,
  `update tickets.dataset_state set enabled = false`,
  `select from tickets.import_rejects`,
  `update tickets.import_failures set resolved_at = now()`,
  `update tickets.rebuilds set who = 'x'`,
  `update tickets.rebuilds set removes = true`,
  `insert into tickets.rebuilds (dataset, who, reason) values ('inc', 'x', 'x')`,
  `insert into tickets.webhook_messages (body) values ('{}')`,
  `create schema more`,
  `copy tickets.inc to program 'true'`,
];

describe('what a role may do', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await openWorld();
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'B', mttr: 'soon' }]));
    await assert.rejects(world.load(world.dataset.changesPrefix + fileName(2)), { kind: 'RowsRejected' });
  });
  after(() => world.close());

  for (const statement of FORBIDDEN) {
    it(`the worker may not: ${statement}`, async () => {
      await assert.rejects(world.deps.pool.query(statement), (error: { details?: { code?: string } }) => {
        assert.equal(error.details?.code, '42501');
        return true;
      });
    });
  }

  describe('the rebuilder', () => {
    let pool: Pool;
    before(() => {
      pool = createPool(parseDatabaseUrl(rebuilderUrl(world.shared.stack, world.name)), 1);
    });
    after(() => pool.end());

    for (const statement of FORBIDDEN_TO_REBUILDER) {
      it(`may not: ${statement}`, async () => {
        const refused = { details: { code: '42501' } };
        await assert.rejects(pool.query(statement), refused);
      });
    }
  });

  it('each dataset’s table is granted to the worker, and none to the reader', async () => {
    const rows = await world.db.query<{ worker: boolean; reader: boolean }>(
      `select bool_and(has_table_privilege('tidemark_worker', t, p)) as worker,
         bool_or(has_table_privilege('tidemark_reader', t, p) or has_any_column_privilege('tidemark_reader', t, p))
           as reader
       from unnest($1::text[]) as t, unnest('{select,insert,update}'::text[]) as p`,
      [world.deps.datasets.map(({ table }) => `tickets.${table}`)],
    );
    assert.deepEqual(rows, [{ worker: true, reader: false }]);
  });

  it('the reader sees status, plan, files and rejects; no value of a row, and writes nothing', async () => {
    const env = await loginOf(world, 'reader');
    const type = (...args: string[]): Promise<Printed> => world.command(['dist/client.js', ...args], env);
    for (const verb of ['status', 'plan', 'files', 'rejects']) {
      const { status, stderr } = await type(verb, 'inc');
      assert.deepEqual([status, stderr], [0, ''], verb);
    }
    for (const args of [
      ['rejects', 'inc', '--values'],
      ['plan', 'inc', '--scan'],
      ['skip', 'inc', fileName(2), '--reason', 'no'],
    ]) {
      const { status, stdout, stderr } = await type(...args);
      assert.deepEqual([status, stdout], [1, ''], args.join(' '));
      assert.match(stderr, /PostgreSQL refuses the statement \[42501\]\. Check the role, its grants/);
    }
    const kept = await world.deps.pool.query(`select from tickets.import_rejects where row_text like 'B,%'`);
    assert.equal(kept.length, 1);
  });

  it('a login that is no member is told what to check', async () => {
    const { status, stderr } = await world.command(
      ['dist/client.js', 'status'],
      await loginOf(world, undefined),
    );
    assert.equal(status, 1);
    assert.match(stderr, /refuses the statement \[42501\]\. Check the role, its grants and the migrations/);
  });
});

describe('the roles, on a server that has none', function () {
  this.timeout(120_000);
  let stack: Stack;
  let admin: Client;
  before(async () => {
    stack = await startStack({ servers: ['postgres'] });
    admin = new Client({ connectionString: stack.adminDatabaseUrl });
    await admin.connect();
  });
  after(async () => {
    await admin.end();
    await stack.stop();
  });

  /** Migrates a database of an owner's own. */
  async function migrated(name: string): Promise<unknown> {
    const url = new URL(stack.adminDatabaseUrl);
    await admin.query(`create role ${name} login password '${url.password}'`);
    await admin.query(`create database ${name} owner ${name}`);
    return applied(name);
  }

  async function applied(name: string): Promise<unknown> {
    const url = new URL(stack.adminDatabaseUrl);
    [url.username, url.pathname] = [name, `/${name}`];
    const db = openDatabase(parseDatabaseUrl(url.href));
    try {
      return await migrate(db);
    } finally {
      await db.end();
    }
  }

  it('a migrator that may not create roles applies nothing, and names what an administrator has to type', async () => {
    await assert.rejects(migrated('plain'), {
      kind: 'BadRequest',
      message:
        'group roles are missing, and this login may not create them; nothing was applied. Have an administrator ' +
        'type, once for the whole server: create role tidemark_worker nologin; create role tidemark_reader nologin; ' +
        'create role tidemark_rebuilder nologin; Then: tidemark migrate',
    });
    await admin.query(
      'create role tidemark_worker nologin; create role tidemark_reader nologin; create role tidemark_rebuilder nologin',
    );
    assert.deepEqual(await applied('plain'), {
      applied: MIGRATIONS,
      present: 0,
    });
    assert.deepEqual(await applied('plain'), { applied: [], present: MIGRATIONS.length });
  });

  it('an owner without temporary tables for everybody still grants them to the worker', async () => {
    await admin.query(`create role strict login password '${new URL(stack.adminDatabaseUrl).password}'`);
    await admin.query('create database strict owner strict');
    await admin.query('revoke all on database strict from public');
    await applied('strict');
    const { rows } = await admin.query(
      `select has_database_privilege('tidemark_worker', 'strict', 'temporary') as worker,
         has_database_privilege('tidemark_reader', 'strict', 'temporary') as reader`,
    );
    assert.deepEqual(rows, [{ worker: true, reader: false }]);
  });

  it('migrations of several databases at once share the roles', async () => {
    const other = await startStack({ servers: ['postgres'] });
    const root = new Client({ connectionString: other.adminDatabaseUrl });
    await root.connect();
    try {
      const names = ['one', 'two', 'three'];
      for (const name of names) await root.query(`create database ${name} owner tidemark`);
      const done = await Promise.all(
        names.map(async (name) => {
          const db = openDatabase(parseDatabaseUrl(databaseUrl(other, name)));
          try {
            return (await migrate(db)).applied.length;
          } finally {
            await db.end();
          }
        }),
      );
      assert.deepEqual(
        done,
        names.map(() => MIGRATIONS.length),
      );
    } finally {
      await root.end();
      await other.stop();
    }
  });
});

let logins = 0;

/** An environment like the world's, of a fresh login that is in this group role, or in none. */
async function loginOf(
  { name, env, shared }: World,
  group: 'reader' | undefined,
): Promise<Readonly<Record<string, string>>> {
  const url = new URL(env['DATABASE_URL'] ?? '');
  logins += 1;
  url.username = `login_${process.pid}_${logins}`;
  await shared.admin.unsafe(`create role ${url.username} login password '${url.password}'`);
  if (group) await shared.admin.unsafe(`grant tidemark_${group} to ${url.username}`);
  await shared.admin.unsafe(`grant connect on database ${name} to ${url.username}`);
  return { ...env, DATABASE_URL: url.href };
}
