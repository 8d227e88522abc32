import type { Column, ColumnType, Dataset } from './dataset.ts';

type Columns = Readonly<Record<string, Column>>;

/** The names of those columns that have this type. */
type NamesOf<Stored extends Columns, Type extends ColumnType> = {
  [Name in keyof Stored]: Stored[Name] extends { readonly type: Type } ? Name : never;
}[keyof Stored] &
  string;

/** A definition whose key and version are columns of the right type: others do not compile. */
type Definition<Stored extends Columns> = Omit<Dataset, 'columns' | 'primaryKey' | 'versionColumn'> & {
  readonly columns: Stored;
  readonly primaryKey: NamesOf<Stored, 'text'>;
  readonly versionColumn: NamesOf<Stored, 'timestamptz'>;
};

/** Defines a dataset. What types cannot say of it, `checkDatasets` refuses when a program starts. */
export function defineDataset<const Stored extends Columns>(definition: Definition<Stored>): Dataset {
  return definition;
}
