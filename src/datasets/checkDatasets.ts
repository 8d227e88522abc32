import { TidemarkFailure } from '../domain/failures.ts';
import { COLUMN_TYPES, ENCODINGS, type Dataset } from './dataset.ts';

/** A plain name of PostgreSQL. */
const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;
/** The longest table of a session is called after a dataset with the 19 characters of `tidemark_rehearsal_` before it. */
const NAME = /^[a-z_][a-z0-9_]{0,43}$/;
/** A rebuild leaves a table with 26 characters behind it: `_as_of_20260301t081500_zst`. */
const TABLE = /^[a-z_][a-z0-9_]{0,36}$/;

/** As S3 has them. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** No byte of a name, a number or a time, and nothing that CSV or our reader takes for something else. */
const DELIMITER = /^[\t!#$%&'()*,/:;<=>?@[\\\]^`{|}~]$/;

/** What each target table has besides. */
const LINEAGE = ['source_key', 'source_line', 'loaded_at'];

/** What else is in the schema `tickets`. */
const OWN_TABLES = [
  'import_meta',
  'dataset_state',
  'dataset_status',
  'truncated_exports',
  'import_failures',
  'import_rejects',
  'schema_migrations',
  'alerts',
  'webhook_messages',
  'rebuilds',
  'rebuild_rows',
];

/**
 * Refuses definitions with which a load would go wrong, or two datasets would get in each other's way.
 *
 * @throws TidemarkFailure `BadRequest` that names all that is wrong with any of them
 */
export function checkDatasets(datasets: readonly Dataset[]): void {
  const faults = [...datasets.flatMap(faultsOf), ...conflicts(datasets)];
  if (faults.length === 0) return;
  throw new TidemarkFailure(
    'BadRequest',
    `definitions of datasets cannot be used: ${faults.join('; ')}`,
    {},
    'Mend them in src/datasets, build and start again',
  );
}

function faultsOf(dataset: Dataset): readonly string[] {
  const faults = [
    ...naming(dataset),
    ...columnFaults(dataset),
    ...headerFaults(dataset),
    ...ruleFaults(dataset),
  ];
  return faults.map((fault) => `${JSON.stringify(dataset.name)}: ${fault}`);
}

function naming({ name, table, bucket }: Dataset): readonly string[] {
  const faults: string[] = [];
  if (!NAME.test(name)) faults.push('name is no plain lower-case name of 1 to 44 characters');
  if (!TABLE.test(table)) faults.push('table is no plain lower-case name of 1 to 37 characters');
  if (OWN_TABLES.includes(table)) faults.push(`table ${table} is Tidemark's own`);
  if (bucket !== undefined && !BUCKET.test(bucket)) faults.push('bucket is no bucket name');
  return faults;
}

function columnFaults({ columns, primaryKey, versionColumn }: Dataset): readonly string[] {
  const faults: string[] = [];
  for (const [name, { type, canonical, onInvalid }] of Object.entries(columns)) {
    if (!IDENTIFIER.test(name)) faults.push(`column ${JSON.stringify(name)} is no plain lower-case name`);
    if (LINEAGE.includes(name)) faults.push(`column ${name} is filled by every load`);
    if (!COLUMN_TYPES.includes(type)) faults.push(`column ${name} has no type that a load knows`);
    if (type !== 'text' && canonical) faults.push(`column ${name} is no text, and has canonical values`);
    if (type === 'text' && onInvalid) faults.push(`column ${name} is text, of which nothing is invalid`);
    if (canonical?.values.some((value) => value.trim() === ''))
      faults.push(`column ${name} has an empty value`);
  }
  const key = own(columns, primaryKey);
  if (key?.type !== 'text') faults.push(`primaryKey ${primaryKey} is no column of type text`);
  else if (key.canonical) faults.push(`primaryKey ${primaryKey} has canonical values`);
  if (own(columns, versionColumn)?.type !== 'timestamptz')
    faults.push(`versionColumn ${versionColumn} is no column of type timestamptz`);
  return faults;
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** What the file has and the table has not. */
function headerFaults({ columns, alarmColumn, droppedColumns }: Dataset): readonly string[] {
  const others = [...(alarmColumn === undefined ? [] : [alarmColumn]), ...droppedColumns];
  return others.flatMap((name, i) => {
    if (name === '' || name !== name.trim()) return [`the dropped column ${JSON.stringify(name)} is no name`];
    if (Object.hasOwn(columns, name)) return [`column ${name} is both stored and dropped`];
    return others.indexOf(name) < i ? [`column ${name} is dropped twice`] : [];
  });
}

function ruleFaults(dataset: Dataset): readonly string[] {
  const { sentinel } = dataset;
  const faults: string[] = [...textFaults(dataset)];
  if (sentinel !== undefined && (sentinel === '' || sentinel !== sentinel.trim()))
    faults.push('sentinel is empty, or has white space around it');
  for (const name of ['maxRejects', 'minBaselineRows', 'settleMs'] as const) {
    if (!(Number.isSafeInteger(dataset[name]) && dataset[name] >= 0))
      faults.push(`${name} is no whole number from 0 on`);
  }
  for (const name of ['changesPrefix', 'processedPrefix', 'skippedPrefix'] as const) {
    if (!/^[^/].*\/$/s.test(dataset[name]))
      faults.push(`${name} must end with a slash, and not begin with one`);
  }
  const prefixes = prefixesOf(dataset);
  if (prefixes.some((prefix, i) => overlap([prefix], prefixes.slice(i + 1))))
    faults.push('its prefixes lie within each other');
  return faults;
}

/** How its files are written. */
function textFaults({ delimiter, encoding }: Dataset): readonly string[] {
  const faults: string[] = [];
  if (delimiter !== undefined && !DELIMITER.test(delimiter))
    faults.push('delimiter is not one ASCII character that may stand between fields');
  if (encoding !== undefined && !ENCODINGS.includes(encoding))
    faults.push(`encoding is none of ${ENCODINGS.join(', ')}`);
  return faults;
}

/** What one dataset has that only one of the two may have. */
function conflicts(datasets: readonly Dataset[]): readonly string[] {
  return datasets.flatMap((dataset, i) =>
    datasets.slice(0, i).flatMap((other) => {
      const both = `${JSON.stringify(other.name)} and ${JSON.stringify(dataset.name)}`;
      const faults: string[] = [];
      if (other.name === dataset.name) faults.push(`${both} have the same name`);
      if (other.table === dataset.table) faults.push(`${both} have the same table ${dataset.table}`);
      if (overlap(prefixesOf(other), prefixesOf(dataset)))
        faults.push(`${both} have prefixes within each other`);
      return faults;
    }),
  );
}

/** A shadow has none of its own. */
function prefixesOf({ shadowOf, changesPrefix, processedPrefix, skippedPrefix }: Dataset): readonly string[] {
  return shadowOf === undefined ? [changesPrefix, processedPrefix, skippedPrefix] : [];
}

function overlap(some: readonly string[], others: readonly string[]): boolean {
  return some.some((a) => others.some((b) => a.startsWith(b) || b.startsWith(a)));
}
