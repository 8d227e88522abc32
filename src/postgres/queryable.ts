/** The port to PostgreSQL for everything but the load itself: one statement, its values, its rows. */
export interface Queryable {
  /**
   * Runs one statement with bound values. `bigint` and `numeric` come back as strings: cast counts in SQL.
   * Fails with a `TidemarkFailure`; no driver's error gets through.
   */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}
