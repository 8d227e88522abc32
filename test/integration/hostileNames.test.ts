import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { sayable } from '../support/hooks.ts';
import { fileName, INC_COLUMNS, incFile, incLine, type Cells } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

/** Names that would be obeyed somewhere: by SQL, a log, a terminal, a browser, a Markdown table, a shell. */
const NAMES = [
  "'); drop table tickets.inc; --",
  '2026-03-01T00-00-01.csv\n2026-11-24T00:00:00.000Z [ERROR] forged',
  '\u001b[2J\u001b]0;title\u0007.csv',
  '\u009b31m.csv',
  '<img src=x onerror=alert(1)>.csv',
  '[x](javascript:alert(1)) **bold** `code`',
  '| a | b |\n|---|---|',
  '\u202egnp.exe\u2066\u200b\ufeff.csv',
  '\u2028\u2029\u0085.csv',
  '$(touch x) ${x} %s $1',
  '-rf',
];

const ALL = NAMES.join('');

/** What may stand in a summary or in details besides words: no bracket, backtick, backslash or control character. */
const PLAIN = /^[\p{L}\p{N} \u00a0.,;:|*·\n-]*$/u;

/** Whatever a terminal or a line of a log would obey. */
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe('names that would be obeyed', function () {
  this.timeout(120_000);
  let world: World;
  let said: string;
  const keys = NAMES.map((name) => inc.changesPrefix + name);

  before(async () => {
    world = await openWorld();
    const columns = [...INC_COLUMNS, ...NAMES];
    const header = columns.map((name) => `"${name}"`).join(',');
    const body = (cells: Cells): string => `${header}\n${incLine(cells, columns)}\n`;
    await world.put(fileName(1), body({ ticket_id: ALL }));
    await world.put(fileName(2), body({ ticket_id: 'B', mttr: ALL }));
    for (const key of keys) await world.put(key, 'x');
    said = '';
    const worker = world.workProcess();
    for (const stream of [worker.stdout, worker.stderr])
      stream?.on('data', (data: Buffer) => (said += data.toString()));
  });
  after(() => world.close());

  it('in a run: not in its failure, summaries and details, and no line of the log is theirs', async () => {
    const run = await world.start();
    const error: unknown = await run.result().catch((reason: unknown) => reason);
    const message = String((error as { cause?: unknown }).cause);
    assert.match(message, /2026-03-01T00-02-00\.csv line 4 column mttr: 1 row rejected/);
    const history = await run.fetchHistory();
    const shown = shownOf(history);
    const { currentDetails } = await run.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    assert.match(currentDetails, /\| 2026-03-01T00-01-00\.csv \| baseline \|/);
    for (const text of [message.replace('<', ''), ...shown, currentDetails]) {
      assert.doesNotMatch(text, OBEYED);
      assert.ok(!NAMES.some((name) => text.includes(name)));
    }
    for (const text of [...shown, currentDetails]) assert.match(text, PLAIN);
    assert.ok(!NAMES.some((name) => sayable(history).includes(JSON.stringify(name).slice(1, -1))));
  });

  it('in the log of the worker', async () => {
    // Whoever starts a run names it; nothing else of foreign origin comes into a log.
    const id = `${world.name}-${NAMES[1]}${NAMES[2]}`;
    await (await world.start(id)).result().catch(() => undefined);
    for (const line of said.split('\n')) assert.doesNotMatch(line, OBEYED);
    assert.ok(
      !said
        .split('\n')
        .some((line) => line.includes('[ERROR] forged') && line.startsWith('2026-11-24T00:00')),
    );
    assert.match(said, /"level":"INFO"/);
  });

  for (const args of [
    ['status', 'inc'],
    ['status', 'inc', '--json'],
    ['files', 'inc'],
    ['files', 'inc', '--json'],
    ['plan', 'inc'],
    ['plan', 'inc', '--scan'],
    ['plan', 'inc', '--scan', '--json'],
    ['rejects', 'inc'],
    ['rejects', 'inc', '--json'],
    ['start', 'inc', '--wait'],
    ['skip', 'inc', ALL, '--reason', 'x'],
    ['rejects', 'inc', ALL],
    ['status', ALL],
    ['files', 'inc', '--limit', ALL],
    ['schedule', 'pause', ALL],
    [ALL],
  ]) {
    it(`in what is printed by: tidemark ${args.map((arg) => (arg === ALL ? 'NAMES' : arg)).join(' ')}`, async () => {
      const { stdout, stderr } = await world.client(...args);
      assert.ok(stdout.length + stderr.length > 0);
      assert.doesNotMatch(stdout, OBEYED);
      assert.doesNotMatch(stderr, OBEYED);
      for (const line of `${stdout}\n${stderr}`.split('\n'))
        assert.doesNotMatch(line, /^2026-11-24T00:00:00/);
    });
  }

  it('--json has them as they are', async () => {
    const { stdout } = await world.client('files', 'inc', '--json');
    const { notApplied } = JSON.parse(stdout) as { notApplied: { key: string; state: string }[] };
    const ignored = notApplied.filter(({ state }) => state === 'ignored').map(({ key }) => key);
    // versitygw lists in XML, which cannot carry most control characters, and puts U+FFFD in their place.
    // oxlint-disable-next-line no-control-regex
    const listed = keys.map((key) => key.replaceAll(/[\u0007\u001b]/g, '\ufffd'));
    assert.deepEqual(ignored.sort(), listed.sort());
  });

  it('the ledger and the table have them as they are', async () => {
    const [deed] = await world.ledger();
    assert.deepEqual(
      deed?.metadata['unknown_columns'],
      NAMES.map((name) => name.trim()),
    );
    const rows = await world.db.query<{ ticket_id: string }>(`select ticket_id from tickets.inc`);
    assert.deepEqual(rows, [{ ticket_id: ALL }]);
  });

  it('a long one at the end of a page of the listing does not stop the run', async () => {
    const other = await openWorld();
    try {
      for (let n = 0; n < 499; n++) await other.put(`${inc.changesPrefix}!${1000 + n}`, '');
      await other.put(`${inc.changesPrefix}"${`${NAMES[4]}${'x'.repeat(150)}/`.repeat(4)}x`, '');
      await other.put(fileName(1), incFile([{ ticket_id: 'A' }]));
      await other.work();
      const run = await other.start();
      const { applied, ignored } = await run.result();
      assert.deepEqual([applied, ignored], [1, 500]);
      for (const text of shownOf(await run.fetchHistory())) assert.match(text, PLAIN);
    } finally {
      await other.close();
    }
  });
});

/** The summaries and details of a history, which the UI shows as Markdown. */
function shownOf(history: { events?: readonly unknown[] | null }): string[] {
  return (history.events ?? []).flatMap((event) => {
    const { userMetadata } = event as { userMetadata?: Record<string, { data?: Uint8Array } | null> | null };
    return Object.values(userMetadata ?? {}).flatMap((payload) =>
      payload?.data ? [JSON.parse(Buffer.from(payload.data).toString()) as string] : [],
    );
  });
}
