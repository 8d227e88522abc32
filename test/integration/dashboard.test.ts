import assert from 'node:assert/strict';
import { request } from 'node:http';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { watch } from '../../src/client/dashboard/snapshot.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { openBrowser, openDashboard, visit, type Dashboard } from '../support/dashboard.ts';
import { HUSH } from '../support/hush.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const PHONE = { width: 360, height: 740 };

/** Where a run writes the pictures of docs/dashboard.md; by default nowhere. */
const PICTURES = process.env['TIDEMARK_PICTURES'];

describe('tidemark dashboard', function () {
  this.timeout(120_000);
  let world: World;
  let browser: Browser;
  const open: Dashboard[] = [];
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(async () => {
    for (const dashboard of open.splice(0)) assert.equal(await dashboard.close(), 0);
    await world.close();
  });

  async function dashboard(env: Readonly<Record<string, string>> = world.env): Promise<string> {
    const opened = await openDashboard(env);
    open.push(opened);
    return opened.url;
  }

  /** A baseline and deltas, then a file that is refused, one that waits, one late and one changed. */
  async function history(): Promise<void> {
    const rows = (n: number, from = 0): { ticket_id: string }[] =>
      Array.from({ length: n }, (_, i) => ({ ticket_id: `T${from + i}` }));
    await world.put(fileName(2), incFile(rows(900)));
    for (let i = 3; i < 28; i += 1) {
      await world.put(fileName(i), incFile(rows(5 + ((i * 37) % 41), i * 10)));
    }
    await world.run();
    await world.put(fileName(1), incFile(rows(3)));
    await world.put(fileName(28), incFile([{ ticket_id: 'bad', mttr: 'soon' }]));
    await world.put(fileName(29), incFile(rows(4)));
  }

  const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();

  it('says what is wrong and what to type, with every count, and no value of a row', async () => {
    await history();
    await assert.rejects(world.load(world.dataset.changesPrefix + fileName(28)), { kind: 'RowsRejected' });
    const { page, complaints } = await visit(browser, await dashboard());
    assert.equal(await text(page, '#verdict'), 'Loading has stopped');
    const concerns = await page.locator('.concern:visible h3').allInnerTexts();
    assert.deepEqual(
      concerns.map((title) => title.replace(/\d+ days/, 'n days')),
      [
        `✕ 1 file refused: inc stops at ${fileName(28)}`,
        '✕ the newest applied export is n days old',
        '! 1 file late',
      ],
    );
    assert.deepEqual(await page.locator('.command').allInnerTexts(), [
      `tidemark skip inc ${fileName(28)} --reason '…'`,
      'tidemark start inc --wait',
      `tidemark apply-late inc ${fileName(1)} --reason '…'`,
    ]);
    const rejects = await page.locator('#rejects-inc tbody tr').first().innerText();
    assert.match(rejects, new RegExp(`^${fileName(28)}\\s+2\\s+mttr\\s`));
    const cells = await page.locator('#files-inc tbody tr').first().locator('th, td').allInnerTexts();
    const last = (await world.ledger()).at(-1);
    assert.ok(last);
    const { read, inserted, updated, unchanged, superseded, stale, alarm, sentinel, rejected } = last;
    const counts = [read, inserted, updated, unchanged, superseded, stale, alarm, sentinel, rejected];
    assert.deepEqual(cells.slice(0, 12), [fileName(27), 'delta', 'open', ...counts.map(String)]);
    assert.equal(await page.locator('#files-inc tbody tr').count(), 20);
    assert.match(
      (await page.locator('#files-inc a').first().getAttribute('href')) ?? '',
      new RegExp(
        `^http://127\\.0\\.0\\.1:\\d+/namespaces/default/workflows/${world.name}-run/[0-9a-f-]+/history$`,
      ),
    );
    assert.equal(await page.locator('svg').first().locator('rect').count(), 26);
    assert.ok(!(await page.content()).includes(HUSH));
    assert.deepEqual(complaints, []);
    await pictures();
  });

  /** The pictures of the documentation, of the scene just tested. */
  async function pictures(): Promise<void> {
    if (PICTURES === undefined) return;
    const [last] = open;
    for (const [name, colorScheme, viewport] of [
      ['light', 'light', { width: 1200, height: 900 }],
      ['dark', 'dark', { width: 1200, height: 900 }],
      ['phone', 'light', PHONE],
    ] as const) {
      const { page } = await visit(browser, last?.url ?? '', { colorScheme, viewport });
      await page.screenshot({ path: `${PICTURES}/dashboard-${name}.png`, fullPage: name !== 'phone' });
    }
  }

  it('updates itself after another file, keeping the focus and what was opened', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'B' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'C' }]));
    const { page, complaints } = await visit(browser, await dashboard());
    await page.locator('#pending-inc > summary').click();
    await page.locator('#files-inc').focus();
    await world.load(world.dataset.changesPrefix + fileName(2));
    await page.locator('#files-inc tbody tr', { hasText: fileName(2) }).waitFor();
    assert.equal(await page.locator('#pending-inc').getAttribute('open'), '');
    assert.equal(await page.evaluate('document.activeElement.id'), 'files-inc');
    assert.deepEqual(complaints, []);
  });

  it('updates itself, keeping the focus on one of several links to the same run', async () => {
    for (const n of [1, 2]) await world.put(fileName(n), incFile([{ ticket_id: `T${n}` }]));
    await world.run();
    const { page } = await visit(browser, await dashboard());
    const focused = `open run of ${fileName(1)} in Temporal`;
    await page.locator(`#files-inc a[aria-label^="${focused}"]`).focus();
    await world.putAndLoad(fileName(3), incFile([{ ticket_id: 'T3' }]));
    await page.locator('#files-inc tbody tr', { hasText: fileName(3) }).waitFor();
    const label = String(await page.evaluate('document.activeElement.ariaLabel'));
    assert.ok(label.startsWith(focused), label);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`is accessible in ${colorScheme}, on a desk and on a phone, without sideways scrolling`, async () => {
      await history();
      await assert.rejects(world.load(world.dataset.changesPrefix + fileName(28)));
      const url = await dashboard();
      for (const viewport of [{ width: 1200, height: 900 }, PHONE]) {
        const { page } = await visit(browser, url, { colorScheme, viewport, bypassCSP: true });
        assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'));
        await page.addScriptTag({ content: axe.source });
        const violations = await page.evaluate(
          'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))',
        );
        assert.deepEqual(violations, []);
      }
    });
  }

  it('every table, link and part is reached by the keyboard', async () => {
    await history();
    const { page } = await visit(browser, await dashboard());
    const reached = new Set<string>();
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press('Tab');
      reached.add(
        String(
          await page.evaluate(
            'document.activeElement.id || document.activeElement.parentElement?.id || document.activeElement.localName',
          ),
        ),
      );
    }
    for (const id of ['pending-inc', 'files-inc', 'again']) assert.ok(reached.has(id), id);
  });

  it('hostile keys, columns and names stay text', async () => {
    const hostile = `<img src=x onerror="document.title='owned'">&\u202e'`;
    await world.db.query(
      `insert into tickets.import_meta (dataset, source_key, export_type, metadata)
       values ('inc', $1, 'skipped', $2::text::jsonb)`,
      [hostile, JSON.stringify({ workflow_id: '"><script>1</script>', run_id: "javascript:alert('1')" })],
    );
    await world.db.query(
      `insert into tickets.import_rejects (dataset, source_key, etag, line, column_name, reason, row_text)
       values ('inc', $1, 'e', 2, $1, $1, 'secret')`,
      [hostile],
    );
    const { page, complaints } = await visit(browser, await dashboard());
    const shown = hostile.replace('\u202e', '\\u202e');
    assert.equal(await text(page, '#files-inc tbody th'), shown);
    assert.equal(await text(page, '#rejects-inc tbody td:nth-child(3)'), shown);
    assert.equal(await page.locator('img, main script').count(), 0);
    assert.ok(!(await page.content()).includes('secret'));
    assert.deepEqual(complaints, []);
  });

  it('without any history it says so', async () => {
    const { page, complaints } = await visit(browser, await dashboard());
    assert.equal(await text(page, '#verdict'), '1 thing needs a look');
    assert.match(await text(page, 'main'), /no run has looked at inc yet[^]*No file was applied yet/);
    assert.deepEqual(complaints, []);
  });

  it('with S3 gone it says so and shows the ledger; with PostgreSQL gone it keeps what was seen, with its age', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    const blind = await visit(
      browser,
      await dashboard({ ...world.env, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' }),
    );
    await blind.page.locator('.concern', { hasText: 'listing cannot be read' }).waitFor();
    assert.equal(await text(blind.page, '#verdict'), 'A server cannot be read');
    assert.match(
      await text(blind.page, '.concern >> nth=1'),
      /S3 at 127\.0\.0\.1:9.*Nothing was seen of it yet\./s,
    );
    assert.equal(await blind.page.locator('#files-inc tbody tr').count(), 1);

    const { page } = await visit(browser, await dashboard());
    await world.shared.admin.unsafe(`alter database ${world.name} with allow_connections false`);
    try {
      await world.shared.admin.unsafe(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${world.name}'`,
      );
      await page.locator('.concern', { hasText: 'PostgreSQL cannot be read' }).waitFor();
      assert.match(await text(page, 'main'), /What you see of it is \d+ s old/);
      assert.equal(await page.locator('#files-inc tbody tr').count(), 1);
    } finally {
      await world.shared.admin.unsafe(`alter database ${world.name} with allow_connections true`);
    }
    await page.locator('.concern', { hasText: 'PostgreSQL cannot be read' }).waitFor({ state: 'detached' });
  });

  it('says when its own process is gone', async () => {
    const { page } = await visit(browser, await dashboard());
    assert.equal(await open.splice(0)[0]?.close(), 0);
    await page.locator('#lost:visible').waitFor();
    assert.match(await text(page, '#lost'), /does not answer/);
  });

  it('a reader’s rights are enough', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    const login = `reader_${world.name}`;
    const url = new URL(world.env['DATABASE_URL'] ?? '');
    url.username = login;
    await world.shared.admin.unsafe(
      `create role ${login} login password '${url.password}' in role tidemark_reader;
       grant connect on database ${world.name} to ${login}`,
    );
    const address = await dashboard({ ...world.env, DATABASE_URL: url.href });
    const body = await (await fetch(address)).text();
    assert.match(body, /id="files-inc"/);
    assert.doesNotMatch(body, /cannot be read/);
  });

  it('many browsers at once cause one listing', async () => {
    let listings = 0;
    const { store, pool } = world.deps;
    const counting: ObjectStore = {
      ...store,
      listPage: (input) => {
        listings += 1;
        return store.listPage(input);
      },
    };
    const watched = watch({ db: pool, store: () => counting }, [world.dataset], {
      everyMs: 60_000,
      describe: String,
    });
    const seen = await Promise.all(Array.from({ length: 20 }, () => watched.current()));
    for (const [view] of [...seen, await watched.current()]) assert.ok(view?.listing.value);
    assert.equal(listings, 1);
  });

  it('answers with strict headers, to its own name and to reading alone', async () => {
    const url = await dashboard();
    const { headers } = await fetch(url);
    const csp = headers.get('content-security-policy') ?? '';
    assert.match(csp, /^default-src 'none';/);
    assert.doesNotMatch(csp, /unsafe|http|\*/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal((await fetch(url, { method: 'POST' })).status, 405);
    assert.equal((await fetch(`${url}../package.json`)).status, 404);
    assert.equal((await fetch(`${url}page.js%2f..%2f..%2fpackage.json`)).status, 404);
    const statusFor = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request(url, { headers: { host } }, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
    assert.equal(await statusFor('evil.example'), 421);
    assert.equal(await statusFor('localhost:1234'), 200);
  });
});
