/**
 * Moving in from an older loader: its `tickets.import_meta` is set aside, and the watermark that it kept becomes the
 * first deed of our ledger. All of it in the transaction of `migrate`.
 */

import type { Dataset } from '../datasets/dataset.ts';
import { DATASETS } from '../datasets/index.ts';
import { compareKeys, type ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { toChangeFileKey } from '../domain/keyForm.ts';
import { hasRows, recordAdoption } from './adopt.ts';
import { ensureDatasetState } from './ledger.ts';
import type { Queryable } from './queryable.ts';
import { targetTable } from './tables.ts';

/** What an older loader left, and what became of it. */
export interface MovedIn {
  /** The name of its ledger now, schema `tickets`. */
  readonly setAside: string;
  readonly adopted: readonly {
    readonly dataset: string;
    readonly watermark: ObjectKey;
    /** Nothing is in its table: later files would be applied without a baseline. */
    readonly tableIsEmpty: boolean;
  }[];
}

/** A dataset whose rows name none is this one. */
const DEFAULT_DATASET = 'inc';

/** A key that another loader wrote, and the dataset where the row tells it. */
interface ForeignKey {
  readonly key: string;
  readonly dataset: string | null;
}

/** What was found, before our own tables are made. */
export interface Found {
  readonly setAside: string;
  readonly watermarks: ReadonlyMap<Dataset, ObjectKey>;
}

/**
 * Sets another loader's ledger aside, with the names of its indexes, and reads its watermarks.
 *
 * @throws TidemarkFailure where it holds what cannot be understood: nothing is changed then
 */
export async function setAside(tx: Queryable): Promise<Found | undefined> {
  const [table] = await tx.query<{ metadata: string | null; dataset: boolean; aside: string }>(
    FOREIGN_LEDGER,
  );
  if (!table) return undefined;
  const watermarks = newest(await readKeys(tx, table));
  await tx.query(`alter table tickets.import_meta rename to ${table.aside}`);
  await tx.query(RENAME_INDEXES.replaceAll('ASIDE', table.aside));
  return { setAside: table.aside, watermarks };
}

/** Writes the watermarks that were found into our ledger. */
export async function adopt(tx: Queryable, found: Found, who?: string): Promise<MovedIn> {
  const adopted: MovedIn['adopted'][number][] = [];
  for (const [dataset, watermark] of found.watermarks) {
    await ensureDatasetState(tx, dataset.name);
    const provenance = {
      ...(who !== undefined && { who }),
      reason: 'taken over from an older loader',
      taken_from: `tickets.${found.setAside}`,
    };
    await recordAdoption(tx, { dataset, key: watermark, provenance });
    const tableIsEmpty = !(await hasRows(tx, targetTable(dataset)));
    adopted.push({ dataset: dataset.name, watermark, tableIsEmpty });
  }
  return { setAside: found.setAside, adopted };
}

/** The ledger that is not ours, its columns, and a name that is free. */
const FOREIGN_LEDGER = `
select
  (select data_type from information_schema.columns
    where table_schema = 'tickets' and table_name = 'import_meta' and column_name = 'metadata') as metadata,
  exists (select from information_schema.columns
    where table_schema = 'tickets' and table_name = 'import_meta' and column_name = 'dataset') as dataset,
  (select name from (
      select 'import_meta_before_tidemark' as name, 0 as n
      union all select 'import_meta_before_tidemark_' || n, n from generate_series(2, 99) n
    ) names
    where to_regclass('tickets.' || name) is null order by n limit 1) as aside
where to_regclass('tickets.import_meta') is not null`;

/** Indexes keep their names when their table is renamed, and ours may have the same. */
const RENAME_INDEXES = `
do $$
declare
  index_name name;
begin
  for index_name in
    select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'tickets.ASIDE'::regclass
  loop
    execute format('alter index tickets.%I rename to %I', index_name,
      left(index_name, 30) || '_' || substr(md5(index_name || 'ASIDE'), 1, 8) || '_before_tidemark');
  end loop;
end $$`;

async function readKeys(
  tx: Queryable,
  { metadata, dataset }: { readonly metadata: string | null; readonly dataset: boolean },
): Promise<readonly ForeignKey[]> {
  if (metadata !== 'jsonb' && metadata !== 'json') {
    if (!(await hasRows(tx, 'tickets.import_meta'))) return [];
    throw refused(
      'its tickets.import_meta has no column metadata of type jsonb, and so no watermark to read',
    );
  }
  const named = dataset ? `coalesce(dataset::text, metadata ->> 'dataset')` : `metadata ->> 'dataset'`;
  return tx.query<ForeignKey>(
    `select distinct metadata ->> 'source_max_key' as key, ${named} as dataset
     from tickets.import_meta where metadata ->> 'source_max_key' is not null`,
  );
}

/** The newest key of each dataset, by bytes. */
function newest(keys: readonly ForeignKey[]): ReadonlyMap<Dataset, ObjectKey> {
  const result = new Map<Dataset, ObjectKey>();
  for (const { key: text, dataset: named } of keys) {
    const dataset = datasetOf(text, named);
    const key = dataset && toChangeFileKey(dataset, text);
    if (!dataset || key === undefined) {
      const whose = named === null ? '' : ` of the dataset ${named.slice(0, 60)}`;
      throw refused(
        `its tickets.import_meta has a source_max_key${whose} that names no change file: ${text.slice(0, 80)}`,
      );
    }
    const before = result.get(dataset);
    if (before === undefined || compareKeys(key, before) > 0) result.set(dataset, key);
  }
  return result;
}

/** A whole key tells its dataset; else the row does; else it is the only one that older loaders had. */
function datasetOf(key: string, named: string | null): Dataset | undefined {
  const byKey = DATASETS.find(
    ({ changesPrefix, processedPrefix }) => key.startsWith(changesPrefix) || key.startsWith(processedPrefix),
  );
  return byKey ?? DATASETS.find(({ name }) => name === (named ?? DEFAULT_DATASET));
}

function refused(what: string): TidemarkFailure {
  return new TidemarkFailure(
    'BadRequest',
    `another loader was here, and ${what}. Nothing was changed`,
    {},
    'Take its table out of the way by hand: alter table tickets.import_meta rename to import_meta_before_tidemark; ' +
      'then: tidemark migrate; then, with the file that it loaded last: tidemark watermark set inc KEY --reason TEXT',
  );
}
