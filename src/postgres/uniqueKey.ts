/**
 * SQL that says whether a unique index has a column alone, so that no row of a key that is there gets in unseen.
 *
 * @param table an expression of type oid
 * @param column an expression: the column's name
 */
export function hasUniqueKeySql(table: string, column: string): string {
  return `exists (
    select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = ${table} and i.indisunique and i.indisvalid and i.indimmediate and i.indnkeyatts = 1
      and i.indpred is null and a.attname = ${column})`;
}
