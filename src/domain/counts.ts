/** The accounting of one file: every row read ends in exactly one of the other counts (docs/semantics.md). */

/** Rows by what became of them. Each is counted by itself, none is derived from the others. */
export interface RowCounts {
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Earlier rows of a `ticket_id` that the same file has again. */
  readonly superseded: number;
  /** Rows of a late or reloaded file that lost to a newer stored row. */
  readonly stale: number;
  readonly alarm: number;
  readonly sentinel: number;
  readonly rejected: number;
}

/** No rows at all. */
export const NO_ROWS: RowCounts = {
  read: 0,
  inserted: 0,
  updated: 0,
  unchanged: 0,
  superseded: 0,
  stale: 0,
  alarm: 0,
  sentinel: 0,
  rejected: 0,
};

/** Whether the identity holds: rows read are all accounted for. */
export function balances(c: RowCounts): boolean {
  return (
    c.read ===
    c.inserted + c.updated + c.unchanged + c.superseded + c.stale + c.alarm + c.sentinel + c.rejected
  );
}

/** Adds two accounts. */
export function addCounts(a: RowCounts, b: RowCounts): RowCounts {
  return {
    read: a.read + b.read,
    inserted: a.inserted + b.inserted,
    updated: a.updated + b.updated,
    unchanged: a.unchanged + b.unchanged,
    superseded: a.superseded + b.superseded,
    stale: a.stale + b.stale,
    alarm: a.alarm + b.alarm,
    sentinel: a.sentinel + b.sentinel,
    rejected: a.rejected + b.rejected,
  };
}
