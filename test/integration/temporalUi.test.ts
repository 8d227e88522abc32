import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { fileName, incFile } from '../support/incFile.ts';
import { ownTemporal, type OwnTemporal } from '../support/ownTemporal.ts';
import { openWorld, type World } from '../support/world.ts';

const MANUAL = 'ingest-inc-manual';
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));

/** More than a small file, so that an activity loads it that the UI shows. */
const LARGE = Array.from({ length: 400 }, (_unused, n) => ({
  ticket_id: `L${n}`,
  title: 'x'.repeat(1000),
}));

/** Debian's; `SCREENSHOTS=1` writes the pictures of docs/temporal-ui.md anew. */
describe('the Temporal UI, in Chromium', function () {
  this.timeout(60_000);
  let temporal: OwnTemporal;
  let world: World;
  let browser: Browser;
  let page: Page;

  before(async () => {
    temporal = await ownTemporal({ ui: true });
    world = await openWorld(undefined, temporal.parts);
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1440, height: 810 } });
    page.setDefaultTimeout(30_000);
    await prepare();
  });
  after(async () => {
    await browser?.close();
    await world?.close();
    await temporal?.stop();
  });

  /** A scheduled run that loads three files, then one by hand that finds a late, a changed and a poison file. */
  async function prepare(): Promise<void> {
    const owner = { ...world.env, DATABASE_URL: world.ownerUrl };
    const { stdout } = await world.command(['dist/client.js', 'migrate'], owner);
    assert.match(stdout, /\nregistered the search attributes TidemarkDataset, TidemarkWatermark\n$/);
    await world.put(fileName(1), incFile(LARGE));
    await world.put(fileName(3), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(4), incFile([{ ticket_id: 'A', priority: 'P1' }, { ticket_id: 'B' }]));
    await world.work();
    await world.client('schedule', 'apply');
    await world.client('schedule', 'trigger');
    await scheduledRun();
    await world.put(fileName(2), incFile([{ ticket_id: 'C' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'C' }]));
    await world.put(fileName(5), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(6), incFile([{ ticket_id: 'A', mttr: 'hushhush' }]));
    const failed = await world.client('start', 'inc', '--wait');
    assert.equal(failed.status, 1);
  }

  async function scheduledRun(): Promise<void> {
    const { workflow } = temporal.parts.temporal;
    const query = `TemporalScheduledById = 'ingest-inc' AND ExecutionStatus = 'Completed'`;
    while ((await workflow.count(query)).count === 0) await delay(100);
  }

  async function open(path: string): Promise<void> {
    await page.goto(`${temporal.stack.temporalUi}/namespaces/default/${path}`);
  }

  async function seen(what: Locator): Promise<void> {
    await what.first().waitFor({ state: 'visible' });
  }

  async function picture(name: string): Promise<void> {
    if (process.env['SCREENSHOTS'] !== '1') return;
    await mkdir(IMAGES, { recursive: true });
    await page.screenshot({ path: `${IMAGES}${name}.png` });
  }

  /** The cells of the table in the current details, row by row. */
  async function table(): Promise<string[][]> {
    for (const frame of page.frames()) {
      const rows = frame.locator('tbody tr').filter({ hasText: '.csv' });
      if ((await rows.count()) === 0) continue;
      const texts = await rows.evaluateAll((all) =>
        all.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent ?? '')),
      );
      if (texts.some((cells) => cells.length === 9)) return texts;
    }
    return [];
  }

  async function tableOf(n: number): Promise<string[][]> {
    for (;;) {
      // The UI puts the frame anew where it has new details.
      const rows = await table().catch(() => []);
      if (rows.length >= n) return rows;
      await page.waitForTimeout(100);
    }
  }

  it('finds the runs of a dataset by its search attribute, the scheduled ones too', async () => {
    await open(`workflows?query=${encodeURIComponent('`TidemarkDataset`="inc"')}`);
    await seen(page.getByText(MANUAL));
    await seen(page.getByRole('link', { name: /ingest-inc-\d{4}-/ }));
    await picture('runs');
  });

  it('shows of a failed run the sentence that says what to do', async () => {
    await open(`workflows/${MANUAL}`);
    await seen(page.getByText(/line 2 column mttr: 1 row rejected; the first: not a decimal number/));
    await seen(page.getByText(/leave it out: tidemark skip inc automations/));
    await picture('failed-run');
  });

  it('shows the summary, the files of each activity, and the table', async () => {
    await open(`workflows/${MANUAL}`);
    await page.locator('a[href$="/user-metadata"]').click();
    await seen(page.getByText('2 files, 2026-03-01T00-05-00.csv to 2026-03-01T00-06-00.csv · 2 KiB'));
    const empty = Array.from({ length: 7 }, () => '');
    const rows = await tableOf(4);
    assert.match(rows[3]?.pop() ?? '', /^\d+\.\d\d$/);
    assert.deepEqual(rows, [
      [fileName(6), 'stopped: RowsRejected', ...empty],
      [fileName(2), 'late', ...empty],
      [fileName(3), 'changed', ...empty],
      [fileName(5), 'delta', '1', '0', '1', '0', '0', '0'],
    ]);
    const summary = 'inc: load what is pending, started by hand';
    const texts = await Promise.all(page.frames().map((frame) => frame.locator('body').innerText()));
    assert.ok(texts.some((text) => text.includes(summary)));
    await picture('details');
  });

  it('shows the dataset and the watermark of a run', async () => {
    await open(`workflows/${MANUAL}`);
    await page.locator('a[href$="/search-attributes"]').click();
    await seen(page.getByText('TidemarkWatermark'));
    await seen(page.getByText(`automations/inc/changes/${fileName(5)}`));
  });

  it('shows what is being loaded, while it waits for its dataset', async () => {
    const skipped = await world.client('skip', 'inc', fileName(6), '--reason', 'test');
    assert.equal(skipped.status, 0);
    await world.put(fileName(7), incFile(LARGE));
    let run: Promise<unknown> | undefined;
    let rows: string[][] = [];
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state where dataset = 'inc' for update`);
      run = world.start(`${MANUAL}-2`).then((handle) => handle.result());
      await open(`workflows/${MANUAL}-2`);
      await page.locator('a[href$="/user-metadata"]').click();
      await seen(page.getByText(`${fileName(7)} · `));
      rows = await tableOf(3);
    });
    await run;
    assert.deepEqual(
      rows.map(([file, outcome]) => [file, outcome]),
      [
        [fileName(2), 'late'],
        [fileName(3), 'changed'],
        [fileName(7), 'loading, 498 KiB'],
      ],
    );
  });
});
