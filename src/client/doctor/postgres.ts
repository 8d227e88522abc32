/** The checks of PostgreSQL. */

import type { Config } from '../../config.ts';
import type { Dataset } from '../../datasets/dataset.ts';
import { slotsOf } from '../../domain/slots.ts';
import {
  checkNeeds,
  needsOf,
  readServerFacts,
  boundOf,
  connectionSum,
  roomOf,
  readSettings,
  type Need,
  type ServerFacts,
} from '../../postgres/inspect.ts';
import { createPool, type Session } from '../../postgres/pool.ts';
import { readTableFaults } from '../../postgres/tableFaults.ts';
import { printable } from '../terminal.ts';
import { isLoopback, type Findings } from './finding.ts';

const OLDEST = 150_000;

/** A person waits, and none of these questions takes long. */
const ANSWER_MS = 5_000;
const LIMITS = {
  connectMs: ANSWER_MS,
  queryMs: ANSWER_MS,
  preparedMs: ANSWER_MS,
  longMs: ANSWER_MS,
  lookMs: 30_000,
  answerMs: ANSWER_MS,
  stallMs: ANSWER_MS,
};

/** How far PostgreSQL's clock is ahead of this machine's, milliseconds. */
export interface PostgresClock {
  aheadMs?: number;
}

/** Checks on the worker's own way into PostgreSQL, two connections. */
export async function checkPostgres(
  { config, datasets, clock }: PostgresChecks,
  findings: Findings,
): Promise<void> {
  const pool = createPool(config.postgres, 2, LIMITS);
  try {
    await pool.withSession(undefined, async (session) => {
      const facts = await readServerFacts(session);
      checkServer(config, facts, findings);
      clock.aheadMs = await aheadOf(session);
      await pool.withSession(undefined, (other) => checkPooler(session, other, findings));
      checkRole(facts, findings);
      await checkRights(session, facts, datasets, findings);
      for (const dataset of datasets) await checkTable(session, dataset, findings);
      await checkSettings(session, facts, config, findings);
    });
  } finally {
    await pool.end();
  }
}

/** What is checked. */
export interface PostgresChecks {
  readonly config: Config;
  readonly datasets: readonly Dataset[];
  /** Gets the clock, for the comparison with others. */
  readonly clock: PostgresClock;
}

function checkServer({ postgres: { host, port } }: Config, facts: ServerFacts, findings: Findings): void {
  const { versionText, database, user, tls } = facts;
  const place = `${printable(host)}:${port}, database ${printable(database)}, as ${printable(user)}`;
  if (tls) findings.add('postgres.connection', 'ok', `${place}, over TLS`);
  else if (isLoopback(host))
    findings.add('postgres.connection', 'ok', `${place}, on this machine without TLS`);
  else {
    const mend = 'Add sslmode=verify-full to DATABASE_URL';
    findings.add(
      'postgres.connection',
      'warning',
      `${place}, without TLS: rows can be read on the way`,
      mend,
    );
  }
  if (facts.version < OLDEST) {
    findings.add('postgres.version', 'problem', `PostgreSQL ${versionText} is too old`, 'Use 15 or later');
  } else findings.add('postgres.version', 'ok', `PostgreSQL ${versionText}`);
  if (!facts.standby) return;
  const mend = 'Name the primary in DATABASE_URL';
  findings.add('postgres.writable', 'problem', 'the server is a standby or set read-only', mend);
}

async function aheadOf(session: Session): Promise<number> {
  const asked = Date.now();
  const [row] = await session.query<{ now: number }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  );
  return (row?.now ?? 0) - (asked + Date.now()) / 2;
}

/** Behind a transaction pooler two connections share a server's session, or one has several. */
async function checkPooler(session: Session, other: Session, findings: Findings): Promise<void> {
  const before = await pidOf(session);
  await other.query('begin');
  const besides = await pidOf(other);
  const after = besides === before ? undefined : await pidOf(session);
  await other.query('rollback');
  if (after === before) {
    findings.add('postgres.pooler', 'ok', 'the connection is direct, or pooled by sessions');
    return;
  }
  findings.add(
    'postgres.pooler',
    'problem',
    'a pooler gives each transaction another session: loads need temporary tables and settings of a session',
    'Name the server itself in DATABASE_URL, or set pool_mode = session',
  );
}

async function pidOf(session: Session): Promise<number> {
  const [row] = await session.query<{ pid: number }>('select pg_backend_pid() as pid');
  return row?.pid ?? 0;
}

function checkRole({ superuser, worker, user }: ServerFacts, findings: Findings): void {
  const mend = "create role loader login password 'choose one' in role tidemark_worker;";
  if (superuser) {
    const what = `${printable(user)} is a superuser: whoever has this login can do anything`;
    findings.add('postgres.role', 'warning', what, mend);
  } else if (worker) findings.add('postgres.role', 'ok', `${printable(user)} is a member of tidemark_worker`);
  else findings.add('postgres.role', 'warning', `${printable(user)} is no member of tidemark_worker`, mend);
}

async function checkRights(
  session: Session,
  facts: ServerFacts,
  datasets: readonly Dataset[],
  findings: Findings,
): Promise<void> {
  const needs = needsOf(datasets);
  const states = await checkNeeds(session, needs);
  const tables = needs.filter((_, i) => states[i] === 'missing').map(({ table }) => table);
  const missing = [...new Set([...tables, ...facts.functionsMissing])];
  if (missing.length > 0) {
    const what = `tables, columns of them or functions are missing: ${missing.map((name) => `tickets.${name}`).join(', ')}`;
    findings.add('postgres.migrations', 'problem', what, 'tidemark migrate');
  } else findings.add('postgres.migrations', 'ok', 'what the migrations make is there');
  if (!facts.schema) return;
  // A member's rights are those of the group: it is the group that has lost one.
  const grantee = facts.worker ? 'tidemark_worker' : `"${facts.user.replaceAll('"', '""')}"`;
  const statements = [
    ...(facts.usage ? [] : [`grant usage on schema tickets to ${grantee};`]),
    ...(facts.temporary ? [] : [`grant temporary on database "${facts.database}" to ${grantee};`]),
    ...needs.filter((_, i) => states[i] === 'denied').map((need) => grantOf(need, grantee)),
    ...facts.functionsDenied.map((name) => `grant execute on function tickets.${name} to ${grantee};`),
  ];
  if (statements.length === 0) {
    findings.add('postgres.rights', 'ok', 'the login may do what worker and client do');
  } else if (facts.worker) {
    findings.add('postgres.rights', 'problem', 'tidemark_worker lacks rights', statements.join(' '));
  } else {
    const reads = facts.reader ? ', only status, plan, files and rejects' : '';
    const what = `the login may not do what worker and client do${reads}`;
    findings.add('postgres.rights', 'problem', what, `grant tidemark_worker to ${grantee};`);
  }
}

function grantOf({ table, privilege, columns }: Need, grantee: string): string {
  const which = columns ? ` (${columns.join(', ')})` : '';
  return `grant ${privilege}${which} on tickets.${table} to ${grantee};`;
}

async function checkTable(session: Session, dataset: Dataset, findings: Findings): Promise<void> {
  const check = `postgres.table.${dataset.name}`;
  const faults = await readTableFaults(session, dataset);
  for (const { state, what, mend } of faults) findings.add(check, state, printable(what), mend);
  if (faults.length > 0) return;
  findings.add(check, 'ok', `tickets.${dataset.table} has all columns of the definition`);
}

/** A load's longest statement; its COPY lasts as long as the file is read. */
const LONGEST_MS = 2 * 3_600_000;

async function checkSettings(
  session: Session,
  facts: ServerFacts,
  config: Config,
  findings: Findings,
): Promise<void> {
  const before = findings.list.length;
  const check = 'postgres.settings';
  const settings = await readSettings(session, ['statement_timeout', 'fsync', 'full_page_writes']);
  const ms = Number(settings.get('statement_timeout') ?? 0);
  if (ms > 0 && ms < LONGEST_MS) {
    const what = `statement_timeout is ${ms / 1000} s: it ends the load of a large file`;
    const mend = `alter role "${facts.user.replaceAll('"', '""')}" set statement_timeout = 0;`;
    findings.add(check, 'warning', what, mend);
  }
  for (const name of ['fsync', 'full_page_writes']) {
    if (settings.get(name) !== 'off') continue;
    const what = `${name} is off: a crash of the server can lose what is loaded and archived`;
    findings.add(check, 'warning', what, `alter system set ${name} = on; select pg_reload_conf();`);
  }
  checkConnections(facts, config, check, findings);
  if (findings.list.length > before) return;
  findings.add(check, 'ok', 'time-outs, durability and connections are enough for loads');
}

/** Those that run are to have room for all that they may open; where none is seen, one that would be started. */
function checkConnections(facts: ServerFacts, { loads }: Config, check: string, findings: Findings): void {
  const { connections } = slotsOf(loads);
  if (roomOf(facts) >= (facts.pools > 0 ? 0 : connections) && boundOf(facts) >= connections) return;
  const bound = Number.isFinite(boundOf(facts)) ? `; login and database may have ${boundOf(facts)}` : '';
  const what = `a worker opens up to ${connections} connections (TIDEMARK_LOADS = ${loads}, three each), and ${connectionSum(facts)}${bound}`;
  const mend =
    'Lower TIDEMARK_LOADS, run fewer workers, raise max_connections, or the connection limit of login or database';
  findings.add(check, 'warning', what, mend);
}
