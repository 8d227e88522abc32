/** The limits of a transaction that holds a dataset's row. */

/** How long to wait for the dataset's row. */
export type LockPatience = 'none' | 'bounded';

const LOCK_TIMEOUT: Record<LockPatience, string> = { none: '10ms', bounded: '30s' };

/** A merge of millions of rows takes minutes; one that takes longer than this is lost. */
const STATEMENT_TIMEOUT = '30min';

/** Lets the merge's hashes of some 300,000 rows stay in memory: a sixth off its time. Each load may use it twice. */
const WORK_MEM = '64MB';

/** Rows that were written ahead may wait for longer than this between two stretches; the fence makes others wait. */
const IDLE_TIMEOUT = '30s';

/** Sets them, in an open transaction. */
export const SET_LIMITS = `select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
  set_config('work_mem', $3, true), set_config('idle_in_transaction_session_timeout', $4, true)`;

/**
 * The same in a load, and how its prepared statements are planned. Their values change nothing of a plan, so it is made
 * once. What asks the ledger for its last deed takes the order from an index: of a table that was small when it was planned,
 * PostgreSQL would rather sort all rows, and go on to do so while the ledger grows.
 */
export const SET_LOAD_LIMITS = `${SET_LIMITS},
  set_config('plan_cache_mode', 'force_generic_plan', true),
  set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true)`;

/** The values of both. */
export function limitsOf(patience: LockPatience): readonly string[] {
  return [LOCK_TIMEOUT[patience], STATEMENT_TIMEOUT, WORK_MEM, IDLE_TIMEOUT];
}
