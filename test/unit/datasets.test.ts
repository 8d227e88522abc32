import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { checkDatasets } from '../../src/datasets/checkDatasets.ts';
import { crq } from '../../src/datasets/crq.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { defineDataset } from '../../src/datasets/defineDataset.ts';
import { inc } from '../../src/datasets/inc.ts';
import { DATASETS, ENABLED, SHADOWS } from '../../src/datasets/index.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { identifier } from '../../src/postgres/identifier.ts';
import { asOfTable } from '../../src/postgres/rebuildTable.ts';
import { rehearsalTable } from '../../src/postgres/rehearse.ts';
import { stagingTable, stretchTable } from '../../src/postgres/tables.ts';

/** Right by itself and beside the others. */
const other: Dataset = {
  ...inc,
  name: 'other',
  table: 'other',
  changesPrefix: 'other/',
  processedPrefix: 'other_processed/',
  skippedPrefix: 'other_skipped/',
};

/** What is said of definitions; nothing where they are taken. */
function faults(...datasets: readonly Dataset[]): string {
  try {
    checkDatasets(datasets);
    return '';
  } catch (error) {
    assert.ok(error instanceof TidemarkFailure && error.kind === 'BadRequest');
    return error.what.replace('definitions of datasets cannot be used: ', '');
  }
}

describe('datasets', () => {
  it('ours are taken; crq has the columns of inc, and is switched off', () => {
    assert.equal(faults(...DATASETS, ...SHADOWS, other), '');
    assert.deepEqual(crq.columns, inc.columns);
    assert.deepEqual(
      ENABLED.map(({ name }) => name),
      ['inc'],
    );
  });

  it('a key or a version that is no column of its type, and a rule on another type, do not compile', () => {
    const { columns: _, ...rest } = other;
    const columns = { id: { type: 'text' }, at: { type: 'timestamptz' }, cost: { type: 'numeric' } } as const;
    const right = { ...rest, columns, primaryKey: 'id', versionColumn: 'at' } as const;
    const wrong = [
      // @ts-expect-error: there is no such column
      defineDataset({ ...right, primaryKey: 'ticket_id' }),
      // @ts-expect-error: a number is no key
      defineDataset({ ...right, primaryKey: 'cost' }),
      // @ts-expect-error: there is no such column
      defineDataset({ ...right, versionColumn: 'updated_at' }),
      // @ts-expect-error: a text is no version
      defineDataset({ ...right, versionColumn: 'id' }),
      // @ts-expect-error: canonical values are of texts
      defineDataset({ ...right, columns: { ...columns, cost: { type: 'numeric', canonical: NO_VALUES } } }),
      // @ts-expect-error: no text is invalid
      defineDataset({ ...right, columns: { ...columns, note: { type: 'text', onInvalid: 'null' } } }),
      // @ts-expect-error: there is no such type
      defineDataset({ ...right, columns: { ...columns, note: { type: 'jsonb' } } }),
    ];
    // Whoever gets round the types is refused when a program starts.
    assert.deepEqual(
      wrong.map((dataset) => faults(dataset).replace(/^"other": /, '')),
      [
        'primaryKey ticket_id is no column of type text',
        'primaryKey cost is no column of type text',
        'versionColumn updated_at is no column of type timestamptz',
        'versionColumn id is no column of type timestamptz',
        'column cost is no text, and has canonical values',
        'column note is text, of which nothing is invalid',
        'column note has no type that a load knows',
      ],
    );
    assert.equal(faults(defineDataset(right)), '');
  });

  const refused: readonly (readonly [string, Partial<Dataset>, string])[] = [
    ['a name with a quote', { name: 'a"b' }, 'name is no plain lower-case name of 1 to 44 characters'],
    [
      'a name too long for a session table',
      { name: 'n'.repeat(45) },
      'name is no plain lower-case name of 1',
    ],
    [
      'a table too long for its state after a file',
      { table: 't'.repeat(38) },
      'table is no plain lower-case name of 1 to 37 characters',
    ],
    ['the table of rebuilds', { table: 'rebuilds' }, "table rebuilds is Tidemark's own"],
    ['the table of what they found', { table: 'rebuild_rows' }, "table rebuild_rows is Tidemark's own"],
    ['a table of another schema', { table: 'public.x' }, 'table is no plain lower-case name'],
    ['the ledger as a table', { table: 'import_meta' }, "table import_meta is Tidemark's own"],
    [
      'a column with SQL in it',
      { columns: { ...inc.columns, 'a;b': { type: 'text' } } },
      'column "a;b" is no',
    ],
    [
      'a column of the lineage',
      { columns: { ...inc.columns, loaded_at: { type: 'timestamptz' } } },
      'column loaded_at is filled by every load',
    ],
    [
      'an inherited name as a key',
      { primaryKey: 'toString' },
      'primaryKey toString is no column of type text',
    ],
    ['a key with canonical values', { primaryKey: 'region' }, 'primaryKey region has canonical values'],
    ['a flag that is stored too', { alarmColumn: 'title' }, 'column title is both stored and dropped'],
    ['a column that is dropped twice', { droppedColumns: ['is_alarm'] }, 'column is_alarm is dropped twice'],
    ['a dropped column without a name', { droppedColumns: [''] }, 'the dropped column "" is no name'],
    ['a sentinel that every row begins with', { sentinel: '' }, 'sentinel is empty'],
    ['a bucket that is none', { bucket: 'No' }, 'bucket is no bucket name'],
    ['a delimiter that numbers have', { delimiter: '.' }, 'delimiter is not one ASCII character'],
    ['two delimiters', { delimiter: ';;' }, 'delimiter is not one ASCII character'],
    ['an unknown encoding', { encoding: 'utf-7' as never }, 'encoding is none of utf-8, latin1'],
    ['fewer than no rejects', { maxRejects: -1 }, 'maxRejects is no whole number from 0 on'],
    ['a prefix without an end', { changesPrefix: 'other' }, 'changesPrefix must end with a slash'],
    ['the whole bucket', { changesPrefix: '/' }, 'changesPrefix must end with a slash'],
    [
      'an archive among the changes',
      { processedPrefix: 'other/processed/' },
      'its prefixes lie within each other',
    ],
  ];
  for (const [what, change, fault] of refused)
    it(`refuses ${what}`, () => {
      const found = faults({ ...other, ...change });
      assert.ok(found.includes(fault), found);
    });

  it('takes the longest names that every table called after them can have', () => {
    const longest = { ...other, name: 'n'.repeat(44), table: 't'.repeat(37) };
    assert.equal(faults(longest), '');
    const key = `${longest.changesPrefix}2026-03-01T08-15-00.csv.zst`;
    const names = [stagingTable, stretchTable, rehearsalTable].map((nameOf) => nameOf(longest));
    for (const name of [...names, identifier(asOfTable(longest, key))])
      assert.ok(name.replaceAll('"', '').replace('pg_temp.', '').length <= 63, name);
  });

  it('refuses two of one name, on one table, or under one prefix, and names both', () => {
    assert.match(faults(inc, { ...other, name: 'inc' }), /^"inc" and "inc" have the same name$/);
    assert.match(faults(inc, { ...other, table: 'inc' }), /^"inc" and "other" have the same table inc$/);
    assert.match(
      faults(inc, { ...other, changesPrefix: 'automations/' }),
      /^"inc" and "other" have prefixes within each other$/,
    );
  });

  for (const program of ['src/client.ts', 'src/worker.ts'])
    it(`${program} does not start with a wrong one`, () => {
      const index = new URL('../../src/datasets/index.ts', import.meta.url).href;
      const spoil = `import { DATASETS } from '${index}'; DATASETS.push({ ...DATASETS[0], sentinel: '' });`;
      const { status, stderr } = spawnSync(
        process.execPath,
        [
          '--import',
          'tsx',
          '--import',
          `data:text/javascript,${encodeURIComponent(spoil)}`,
          program,
          'status',
        ],
        { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '' } },
      );
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^tidemark: definitions of datasets cannot be used: "inc": sentinel is empty.*; "inc" and "inc" have the same name;/,
      );
    }).timeout(30_000);

  it('names all that is wrong at once', () => {
    assert.equal(
      faults({ ...other, sentinel: ' ', settleMs: 0.5 }, { ...crq, table: 'x-y' }).split('; ').length,
      3,
    );
  });
});

const NO_VALUES = { values: [], separators: false };
