/** Rows of a table that were found to be otherwise than its files lead to, counted. */
export interface Difference {
  /** Rows of the table, and of what its files lead to. */
  readonly stored: number;
  readonly built: number;
  /** Rows that are not in the table; that have other values there; that no file leads to. */
  readonly missing: number;
  readonly different: number;
  readonly extra: number;
  /** In how many of the different rows a column differs, as it was counted before a person was asked; only columns that do. */
  readonly columns: Readonly<Record<string, number>>;
}
