import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { checkDatasets } from '../../src/datasets/checkDatasets.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { DATASETS, SHADOWS } from '../../src/datasets/index.ts';
import { createObjectStores } from '../../src/s3/createObjectStores.ts';
import { fileName } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const PAGE = new URL('../../docs/adding-a-dataset.md', import.meta.url);
const DEFINE = new URL('../../src/datasets/defineDataset.ts', import.meta.url);

describe('docs/adding-a-dataset.md', function () {
  this.timeout(60_000);
  let world: World;
  let page: string;
  let fuel: Dataset;
  before(async () => {
    page = await readFile(PAGE, 'utf8');
    fuel = await defined(block('ts'));
    world = await openWorld([fuel]);
    await world.db.query(block('sql'));
    const store = createObjectStores({ bucket: world.name, forcePathStyle: true }, [fuel]);
    world.deps.store.destroy();
    Object.assign(world.deps, { store });
    await world.s3.send(new CreateBucketCommand({ Bucket: 'fuel' }));
  });
  after(() => world.close());

  /** The page's only block in a language. */
  function block(language: string): string {
    const found = [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))];
    assert.equal(found.length, 1, language);
    return found[0]?.[1] ?? '';
  }

  async function put(name: string, body: string): Promise<void> {
    const key = fuel.changesPrefix + name;
    await world.s3.send(new PutObjectCommand({ Bucket: 'fuel', Key: key, Body: windows1252(body) }));
  }

  it('its definition is taken beside ours', () => {
    checkDatasets([...DATASETS, ...SHADOWS, fuel]);
  });

  it('its files are loaded from their bucket into their table, and archived in that bucket', async () => {
    const csv = block('csv');
    await put(fileName(1), csv);
    await put(fileName(2), `${csv.split('\n')[0]}\nF-2;Depot 9;12.5;maybe;;2026-03-02 00:00:00;\n`);
    // Of the same name, in the other bucket: no business of this dataset.
    await world.put(fileName(3), csv);
    const { applied, watermark, rows } = await world.run();
    assert.deepEqual([applied, watermark], [2, fuel.changesPrefix + fileName(2)]);
    assert.deepEqual([rows.inserted, rows.updated, rows.alarm, rows.sentinel], [3, 1, 0, 0]);
    assert.deepEqual(
      await world.db.query(
        `select record_id as id, station, litres::text, full_tank as full,
           to_char(filled_at at time zone 'utc', 'HH24:MI') as filled, source_line::int as line
         from tickets.fuel order by record_id`,
      ),
      [
        { id: 'F-1', station: 'Kisumu', litres: '41.5', full: true, filled: '05:15', line: 2 },
        { id: 'F-2', station: 'Depot 9', litres: '12.5', full: null, filled: null, line: 2 },
        { id: 'F-3', station: 'Café “Acacia”', litres: '30', full: false, filled: '06:30', line: 4 },
      ],
    );
    const { Contents = [] } = await world.s3.send(new ListObjectsV2Command({ Bucket: 'fuel' }));
    assert.deepEqual(
      Contents.map(({ Key }) => Key),
      [1, 2].map((n) => fuel.processedPrefix + fileName(n)),
    );
    assert.deepEqual(await world.keys(), [fuel.changesPrefix + fileName(3)]);
    const status = await world.db.query(
      `select enabled, rows::int, freshness_seconds > 0 as aged from tickets.dataset_status where dataset = 'fuel'`,
    );
    assert.deepEqual(status, [{ enabled: false, rows: 3, aged: true }]);
  });
});

/** The page's text as the exporter writes it. */
function windows1252(text: string): Buffer {
  return Buffer.from(text.replaceAll('“', '\u0093').replaceAll('”', '\u0094'), 'latin1');
}

/** The definition as the page has it, in a folder of its own. */
async function defined(text: string): Promise<Dataset> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-page-'));
  try {
    const file = join(folder, 'fuel.ts');
    assert.ok(text.includes(`'./defineDataset.ts'`));
    await writeFile(file, text.replace(`'./defineDataset.ts'`, `'${DEFINE.href}'`));
    const { fuel } = (await import(pathToFileURL(file).href)) as { fuel: Dataset };
    return fuel;
  } finally {
    await rm(folder, { recursive: true });
  }
}
