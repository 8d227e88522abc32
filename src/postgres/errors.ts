/** PostgreSQL's errors as ours: decided once, by SQLSTATE, never by message, which may quote a row's values. */

import { TidemarkFailure, type FailureKind } from '../domain/failures.ts';

/**
 * SQLSTATE classes and codes that a retry can mend. Everything else is final.
 * Source: PostgreSQL documentation, appendix A.
 */
const BUSY = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
]);
const UNAVAILABLE_CLASSES = new Set([
  '08', // connection exception
  '53', // insufficient resources: disk full, out of memory, too many connections
  '57', // operator intervention: shutdown, cancelled, terminated
  '58', // system error outside PostgreSQL
]);
const UNAVAILABLE = new Set([
  '25006', // read_only_sql_transaction: a fail-over left us on a standby
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '40003', // statement_completion_unknown
  'XX000', // internal_error: seen on crash recovery
]);

/** What a kind's phrase would say wrongly, by SQLSTATE, then by class. */
const PHRASES_BY_STATE: Readonly<Record<string, string>> = {
  '25006': 'PostgreSQL is read-only here: a standby, or set so',
  '25P03': 'PostgreSQL ended a transaction that was idle for too long',
  '25P04': 'PostgreSQL ended a transaction that took longer than its transaction_timeout',
  '40001': 'PostgreSQL could not order this transaction among others',
  '40P01': 'PostgreSQL ended a deadlock',
  '53100': 'PostgreSQL has no disk space left',
  '53200': 'PostgreSQL has no memory left',
  '53300': 'PostgreSQL has no connection left for this role or database',
  '53': 'PostgreSQL lacks a resource',
  '57014': 'PostgreSQL cancelled the statement: its time was up, or somebody cancelled it',
  '57P03': 'PostgreSQL is starting up or shutting down',
  '57': 'PostgreSQL was shut down, or an administrator ended the connection',
  '58': 'PostgreSQL met an error of its own system',
  XX000: 'PostgreSQL met an internal error',
};

const PHRASES: Partial<Record<FailureKind, string>> = {
  PostgresBusy: 'PostgreSQL could not get a lock in time',
  PostgresUnavailable: 'PostgreSQL cannot be reached, or broke the connection off',
  PostgresRefused: 'PostgreSQL refuses the statement',
  ValueRefused: 'PostgreSQL refuses a value',
};

/** What a SQLSTATE means for us. */
export function kindOfSqlState(code: string): FailureKind {
  if (BUSY.has(code)) return 'PostgresBusy';
  if (UNAVAILABLE.has(code) || UNAVAILABLE_CLASSES.has(code.slice(0, 2))) return 'PostgresUnavailable';
  if (code.startsWith('22') || code.startsWith('23')) return 'ValueRefused';
  return 'PostgresRefused';
}

/**
 * Turns whatever a driver threw into a `TidemarkFailure`. Errors without a SQLSTATE come from the socket or the
 * driver: the connection is taken as lost, which a retry finds out.
 */
export function fromPostgres(error: unknown): TidemarkFailure {
  if (error instanceof TidemarkFailure) return error;
  const code = codeOf(error);
  const kind = code !== undefined && SQLSTATE.test(code) ? kindOfSqlState(code) : 'PostgresUnavailable';
  return new TidemarkFailure(kind, phraseOf(kind, code), code === undefined ? {} : { code });
}

function phraseOf(kind: FailureKind, code = ''): string {
  return PHRASES_BY_STATE[code] ?? PHRASES_BY_STATE[code.slice(0, 2)] ?? PHRASES[kind] ?? kind;
}

/** `EPIPE`, for one, is as long, but the socket's; no class of PostgreSQL begins with an E. */
const SQLSTATE = /^(?!E)[0-9A-Z]{5}$/;
const CODE = /^[A-Z0-9_]{2,40}$/;

/** A code is a short word of capitals; anything else might be text. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && CODE.test(error.code) ? error.code : undefined;
}
