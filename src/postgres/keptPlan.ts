/**
 * Plans that a connection keeps, made anew where a table has outgrown them. A plan made for an empty table reads all of
 * it; kept, it does so for every file of a backlog, until an `analyze` of autovacuum ends it.
 */

import type { Session } from './pool.ts';

/** Below, reading all of a table takes no longer than a look into its index. */
const FEW_ROWS = 128;
/** From here on no plan for few rows reads all of it. */
const MANY_ROWS = FEW_ROWS * 4 ** 7;

/** Notes that a table has so many rows, or had: only growth matters. */
export function noteRows(session: Session, table: string, rows: number): void {
  session.rows.set(table, Math.max(rowsOf(session, table), rows));
}

/** Notes rows that were added to what is known of a table. */
export function noteAdded(session: Session, table: string, added: number): void {
  noteRows(session, table, rowsOf(session, table) + added);
}

/** A statement's text, another one each time that the table has four times the rows: its plan is made for them. */
export function plannedFor(session: Session, table: string, text: string): string {
  let rows = FEW_ROWS;
  while (rows < MANY_ROWS && rows <= rowsOf(session, table)) rows *= 4;
  return `${text}\n-- planned for fewer than ${rows} rows`;
}

function rowsOf(session: Session, table: string): number {
  return session.rows.get(table) ?? 0;
}
