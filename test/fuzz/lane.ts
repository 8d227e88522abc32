/** A dataset of its own, into which files are loaded one after the other, each compared with its naive reading. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Deps } from '../../src/activities/deps.ts';
import { loadFile } from '../../src/activities/loadFile.ts';
import { loadSmallFiles } from '../../src/activities/loadSmallFiles.ts';
import type { LoadFileResult } from '../../src/activities/interface.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { inc } from '../../src/datasets/inc.ts';
import { TidemarkFailure, type FailureDetails } from '../../src/domain/failures.ts';
import { ensureDatasetState } from '../../src/postgres/ledger.ts';
import { recordSkip } from '../../src/postgres/skip.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { naiveReading, type NaiveReading, type NaiveRow } from '../support/naiveReading.ts';
import { cut } from '../support/reading.ts';
import { readTable, type TableRows } from '../support/tables.ts';
import type { World } from '../support/world.ts';
import type { Mutant } from './mutations.ts';

/** As the product has it: larger files go one by one. */
const SMALL_FILE_BYTES = 256 * 1024;
/** A load that takes longer hangs. */
const DEADLINE_MS = 60_000;
/** Every so many batches the whole table is compared, not only what the batch wrote. */
const WHOLE_EVERY = 20;

/** What became of files, by kind of failure or `loaded`. */
export type Outcomes = Record<string, number>;

interface File extends Mutant {
  readonly key: string;
  readonly etag: string;
  /** Where it can be generated again. */
  readonly at: string;
}

/** Where a lane's objects lie. */
export interface Shelf {
  readonly store: ObjectStore;
  put(key: string, bytes: Buffer): Promise<string>;
  /** Forgets what is in memory. */
  clear(): void;
}

/** A dataset like `inc`, with a table of its own that the worker's role may write. */
export async function openLane(world: World, name: string): Promise<Dataset> {
  const [changesPrefix, processedPrefix, skippedPrefix] = ['changes', 'processed', 'skipped'].map(
    (folder) => `automations/${name}/${folder}/`,
  ) as [string, string, string];
  await world.db.query(`create table tickets."${name}" (like tickets.inc including all)`);
  await world.db.query(`grant select, insert, update on tickets."${name}" to tidemark_worker`);
  await ensureDatasetState(world.deps.pool, name);
  return { ...inc, name, table: name, changesPrefix, processedPrefix, skippedPrefix };
}

export class Lane {
  readonly outcomes: Outcomes = {};
  readonly #world: World;
  readonly #dataset: Dataset;
  readonly #shelf: Shelf;
  readonly #deps: Deps;
  /** What the table must hold. */
  readonly #table = new Map<string, NaiveRow>();
  #watermark: string | null = null;
  #deeds = 0;
  #files = 0;
  #batches = 0;

  constructor(world: World, dataset: Dataset, shelf: Shelf) {
    this.#world = world;
    this.#dataset = dataset;
    this.#shelf = shelf;
    this.#deps = { ...world.deps, datasets: [dataset], store: shelf.store };
  }

  /** Loads the mutants, in order, whatever becomes of each. @param from where they were generated */
  async take(mutants: readonly Mutant[], from: string): Promise<void> {
    const files: File[] = [];
    for (const [i, mutant] of mutants.entries()) {
      const key = this.#nextKey() + (mutant.packed?.ending ?? '');
      files.push({
        ...mutant,
        key,
        etag: await this.#shelf.put(key, mutant.bytes),
        at: `${from}, file ${i}`,
      });
    }
    for (let left = files; left.length > 0;) left = left.slice(await this.#loadSome(left));
    this.#shelf.clear();
    await this.#compare(files);
  }

  /** Compares the whole table. */
  async compareWhole(): Promise<void> {
    const expected: TableRows = this.#table;
    assert.deepEqual(await readTable(this.#world.deps.pool, this.#dataset), expected);
  }

  /** Loads as many of the first files as one call takes. @returns how many are done */
  async #loadSome(files: readonly File[]): Promise<number> {
    const large = files.findIndex(({ bytes }) => bytes.length > SMALL_FILE_BYTES);
    const batch = files.slice(0, large < 0 ? files.length : large);
    // One in four goes as large ones do: in chunks, on a connection from the pool.
    const [first] = files;
    if (!first) return 0;
    if (batch.length === 0 || /0\.csv/.test(first.key)) {
      await this.#loadOne(first);
      return 1;
    }
    const jobs = batch.map(({ key, etag }) => ({ key, etag, mode: 'inOrder' as const }));
    const { results, failure } = await inTime(
      loadSmallFiles(this.#deps, { dataset: this.#dataset.name, files: jobs }, attempt()),
      first,
    );
    for (const [i, result] of results.entries()) this.#loaded(batch[i] ?? first, result);
    const next = batch[results.length];
    if (failure && next) await this.#refused(next, failure.kind, failure.details);
    else if (results.length === 0) await this.#loadOne(first);
    return results.length + (failure ? 1 : 0) || 1;
  }

  async #loadOne(file: File): Promise<void> {
    const { key, etag } = file;
    const input = { dataset: this.#dataset.name, key, etag, mode: 'inOrder' as const };
    let result: LoadFileResult;
    try {
      result = await inTime(loadFile(this.#deps, input, attempt()), file);
    } catch (error) {
      if (!(error instanceof TidemarkFailure))
        throw new Error(`no typed failure: ${told(file)}`, { cause: error });
      return this.#refused(file, error.kind, error.details);
    }
    this.#loaded(file, result);
  }

  #loaded(file: File, result: LoadFileResult): void {
    const naive = naiveReading(this.#dataset, textOf(file));
    const where = `${JSON.stringify(expectation(this.#dataset, naive))} was expected of ${told(file)}`;
    assert.equal(result.outcome, 'applied', where);
    assert.deepEqual(expectation(this.#dataset, naive), { kind: 'loaded' }, where);
    const { read, alarm, sentinel, rejected, inserted, updated, unchanged, superseded } = result.counts;
    assert.deepEqual(
      { read, alarm, sentinel, rejected, sent: inserted + updated + unchanged + superseded },
      naive.counts,
      where,
    );
    for (const [id, row] of naive.rows) {
      const stored = this.#table.get(id);
      const differs = Object.keys(this.#dataset.columns).some((column) => stored?.[column] !== row[column]);
      if (!stored || differs) this.#table.set(id, { ...row, source_key: file.key });
    }
    this.#watermark = file.key;
    this.#deeds += 1;
    this.#count('loaded');
  }

  /** The failure is what the naive reading foretells; the file is then left out as an operator would. */
  async #refused(file: File, kind: string, { line, column, rejected }: FailureDetails): Promise<void> {
    const naive = naiveReading(this.#dataset, textOf(file));
    const expected = expectation(this.#dataset, naive);
    const known = column === undefined || textOf(file).includes(0);
    const found = {
      kind,
      ...(line !== undefined && { line }),
      ...(known ? { ...(expected.column !== undefined && { column: expected.column }) } : { column }),
      ...(kind === 'RowsRejected' && { rejected }),
    };
    // Damage is no fault of the text; what comes of it before it is noticed may be taken for one, but not for rejected rows.
    const damage = file.packed?.damaged === true && /^(MalformedFile|SchemaMismatch)$/.test(kind);
    if (!damage) assert.deepEqual(found, expected, `of ${told(file)}`);
    const { key, etag } = file;
    await recordSkip(this.#deps.pool, {
      dataset: this.#dataset.name,
      key,
      etag,
      reason: 'fuzz',
      who: 'fuzz',
    });
    this.#deeds += 1;
    this.#count(kind);
  }

  #count(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }

  /** What the batch wrote, and that it wrote nothing else: rows, deeds, watermark, open failures. */
  async #compare(files: readonly File[]): Promise<void> {
    const { pool } = this.#deps;
    const { name, table } = this.#dataset;
    const keys = files.map(({ key }) => key);
    const [state] = await pool.query(
      `select (select count(*)::int from tickets."${table}") as rows,
         (select coalesce(jsonb_object_agg(ticket_id, source_line), '{}') from tickets."${table}"
           where source_key = any($2::text[])) as written,
         (select count(*)::int from tickets.import_meta where dataset = $1) as deeds,
         (select watermark from tickets.dataset_status where dataset = $1) as watermark,
         (select count(*)::int from tickets.import_failures where dataset = $1 and resolved_at is null) as open`,
      [name, keys],
    );
    const written = [...this.#table].filter(([, row]) => keys.includes(row['source_key'] ?? ''));
    assert.deepEqual(
      state,
      {
        rows: this.#table.size,
        written: Object.fromEntries(written.map(([id, row]) => [id, Number(row['source_line'])])),
        deeds: this.#deeds,
        watermark: this.#watermark,
        open: 0,
      },
      `after ${files.at(-1)?.at}`,
    );
    this.#batches += 1;
    if (this.#batches % WHOLE_EVERY === 0) await this.compareWhole();
  }

  /** The next name: a second each, from 2020 on. */
  #nextKey(): string {
    const stamp = new Date(Date.UTC(2020, 0, 1) + 1000 * (this.#files += 1)).toISOString().slice(0, 19);
    return `${this.#dataset.changesPrefix}${stamp.replaceAll(':', '-')}.csv`;
  }
}

interface Expectation {
  readonly kind: string;
  readonly line?: number;
  readonly column?: string;
  readonly rejected?: number;
}

/** What must become of a file. */
function expectation(dataset: Dataset, { failure, rejects }: NaiveReading): Expectation {
  const [first] = rejects;
  if (rejects.length > dataset.maxRejects && first) {
    const { line, column } = first;
    return { kind: 'RowsRejected', line, ...(column !== undefined && { column }), rejected: rejects.length };
  }
  return failure ?? { kind: 'loaded' };
}

function textOf({ bytes, packed }: Mutant): Buffer {
  return packed?.text ?? bytes;
}

function attempt(): { signal: AbortSignal; provenance: Readonly<Record<string, string>> } {
  return { signal: new AbortController().signal, provenance: {} };
}

/** A file in words, and whole where it is small: enough to try it again by hand. */
function told({ at, key, mutations, bytes }: File): string {
  return `${at} (${key}; ${mutations.join(', ') || 'no mutation'}; ${bytes.length} bytes; base64 ${bytes.subarray(0, 6_000).toString('base64')})`;
}

async function inTime<T>(load: Promise<T>, file: File): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`a load hangs at or behind ${told(file)}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([load, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Objects in memory, and every `realEvery`th in the world's real bucket. Put and get of the real server take more than
 * the load itself: ten thousand of them would not fit into the suite's time.
 */
export function shelfOf(world: World, realEvery: number): Shelf {
  const objects = new Map<string, Buffer>();
  let puts = 0;
  const read: ObjectStore['read'] = async (input) => {
    const bytes = objects.get(input.key);
    if (!bytes) return world.deps.store.read(input);
    const size = bytes.length;
    // Cut at places that the content decides, so that a run can be repeated.
    const places = [...createHash('sha256').update(bytes).digest().subarray(0, 3)];
    const cuts = places.map((place) => Math.floor((place / 256) * size));
    return { size, etag: input.etag, chunks: cut(bytes, cuts) };
  };
  return {
    store: { ...world.deps.store, read },
    put: async (key, bytes) => {
      if ((puts += 1) % realEvery === 0) {
        await world.put(key, bytes);
        return (await world.deps.store.head({ key }))?.etag ?? '';
      }
      objects.set(key, bytes);
      return createHash('md5').update(bytes).digest('hex');
    },
    clear: () => objects.clear(),
  };
}
