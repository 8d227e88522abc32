/**
 * The last deed that the ledger has of a dataset, as SQL. Asked for by a range, so that the order is that of dataset and
 * id: for one dataset alone PostgreSQL may take the order of ids, and walk through what others have done since. `id > 0`
 * is what the index says too (migration 0010).
 *
 * @param columns of `tickets.import_meta`
 * @param dataset a parameter or a literal
 */
export function lastDeedSql(columns: string, dataset: string): string {
  return `select ${columns} from tickets.import_meta
    where dataset >= ${dataset} and dataset <= ${dataset} and id > 0 order by dataset desc, id desc limit 1`;
}

/** Its id as text, `0` where there is none, as SQL. @param dataset a parameter or a literal */
export function ledgerVersionSql(dataset: string): string {
  return `(select coalesce((${lastDeedSql('id', dataset)}), 0)::text)`;
}
