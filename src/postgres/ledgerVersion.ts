/** The last deed that the ledger has of a dataset, as SQL. @param dataset a parameter or a literal */
export function ledgerVersionSql(dataset: string): string {
  return `(select coalesce(max(id), 0)::text from tickets.import_meta where dataset = ${dataset})`;
}
