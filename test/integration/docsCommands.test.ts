import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Worker } from '@temporalio/worker';
import { findProgram, TEMPORAL } from '../../dev/servers/binaries.ts';
import { createActivities } from '../../src/activities/index.ts';
import { inc } from '../../src/datasets/inc.ts';
import { SHADOWS } from '../../src/datasets/index.ts';
import { built } from '../support/built.ts';
import {
  commandsOf,
  docsCommands,
  docsQueries,
  ELSEWHERE,
  elsewhere,
  partsOf,
} from '../support/docsCommands.ts';
import { runInShell, SECRET } from '../support/docsShell.ts';
import { incFile } from '../support/incFile.ts';
import { ownTemporal, type OwnTemporal } from '../support/ownTemporal.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

/** The task queue that the pages type. */
const QUEUE = 'tidemark';
const EARLY = '2026-06-22T13-00-00.csv';
const LATER = '2026-06-22T13-10-00.csv';

describe('the commands of README and docs', function () {
  this.timeout(600_000);
  let temporal: OwnTemporal;
  let world: World;
  let worker: Worker;
  let done: Promise<void>;
  let env: Record<string, string>;

  before(async () => {
    await built();
    temporal = await ownTemporal({ ui: false });
    world = await openWorld([inc, ...SHADOWS], temporal.parts);
    worker = await Worker.create({
      connection: temporal.parts.native,
      taskQueue: QUEUE,
      workflowBundle: temporal.parts.bundle,
      activities: createActivities(world.deps),
    });
    done = worker.run();
    const cli = await findProgram(TEMPORAL, temporal.stack.surroundings);
    env = { ...world.env, TIDEMARK_TASK_QUEUE: QUEUE, TEMPORAL_CLI: cli, PATH: process.env['PATH'] ?? '' };
    await pendingFile();
    await runInShell('tidemark schedule apply', { folder: '', env });
  });
  after(async () => {
    if (worker?.getState() === 'RUNNING') worker.shutdown();
    await done;
    await world?.close();
    await temporal?.stop();
  });

  /** Empties tables and bucket. */
  async function fresh(): Promise<void> {
    await world.db.query(
      `truncate tickets.import_meta, tickets.dataset_state, tickets.import_failures, tickets.inc, tickets.inc_shadow;
       insert into tickets.dataset_state (dataset, enabled) values ('inc', true), ('inc_shadow', false)`,
    );
    for (const key of await world.keys()) await world.remove(key);
  }

  /** The file that a command names is pending; EARLY where it names none. */
  async function pendingFile(command = ''): Promise<void> {
    await fresh();
    await world.put(/\S+\.csv/.exec(command)?.[0] ?? EARLY, incFile([{ ticket_id: 'INC-1' }]));
  }

  /** The file is late: a later one is loaded. */
  async function lateFile(command: string): Promise<void> {
    await pendingFile(command);
    await world.putAndLoad(LATER, incFile([{ ticket_id: 'INC-2' }]));
  }

  /** A table that was loaded up to EARLY's day. */
  async function loadedBefore(): Promise<void> {
    await fresh();
    await world.putAndLoad('2026-06-21T13-00-00.csv', incFile([{ ticket_id: 'INC-1' }]));
  }

  /** What the other loader has archived, and another live table. */
  async function besideAnother(): Promise<void> {
    await pendingFile();
    const key = inc.changesPrefix + EARLY;
    await world.load(key);
    await world.remove(key);
    await world.put(inc.processedPrefix + EARLY, incFile([{ ticket_id: 'INC-1' }]));
    await world.db.query(
      `create schema live; create table live.tickets as select * from tickets.inc;
       grant usage on schema live to tidemark_worker; grant select on live.tickets to tidemark_worker`,
    );
  }

  async function openRun(): Promise<void> {
    await temporal.parts.temporal.workflow.start('ingestDataset', {
      args: [{ dataset: 'inc' }],
      taskQueue: 'nobody',
      workflowId: 'ingest-inc-manual',
      workflowIdConflictPolicy: 'TERMINATE_EXISTING',
    });
  }

  /** A shadow that has read what is in the table. */
  async function sameShadow(): Promise<void> {
    await world.db.query(
      `insert into tickets.inc_shadow select * from tickets.inc where not exists (select from tickets.inc_shadow)`,
    );
  }

  /** What must be so before a command; the others go on from what was typed before them. */
  const BEFORE: Readonly<Record<string, (command: string) => Promise<void>>> = {
    'npm run client -- migrate': pendingFile,
    'tidemark apply-late ': lateFile,
    'tidemark watermark set ': loadedBefore,
    'tidemark skip ': pendingFile,
    'tidemark start inc_shadow ': besideAnother,
    'temporal workflow cancel ': openRun,
    'tidemark compare ': sameShadow,
  };

  it('are run here in their order, or are done elsewhere for a reason', async () => {
    const failed: string[] = [];
    let folder = '';
    let before = '';
    for (const { page, block, text } of await docsCommands()) {
      if (`${page} ${block}` !== before) folder = '';
      before = `${page} ${block}`;
      for (const command of partsOf(text)) {
        if (elsewhere(command) !== undefined) continue;
        const moved = /^cd (\S+)$/.exec(command)?.[1];
        if (moved !== undefined) folder = moved;
        else {
          const said = await type(command, folder);
          if (said.status !== 0) failed.push(`${page}: ${command}\n${said.stdout}${said.stderr}`);
        }
      }
    }
    assert.deepEqual(failed, []);
  });

  async function type(command: string, folder: string): Promise<Printed> {
    const first = Object.entries(BEFORE).find(([start]) => command.startsWith(start));
    await first?.[1](command);
    const owner = command.endsWith(' migrate') ? { DATABASE_URL: world.ownerUrl } : {};
    // The dataset of docs/adding-a-dataset.md is not in the program: test/integration/addingADatasetCommands.test.ts has it.
    return runInShell(command.replaceAll(/\bfuel\b/g, 'inc'), { folder, env: { ...env, ...owner } });
  }

  it('their queries are answered, and those of docs/operations.md#alerts have a row where they should', async () => {
    await fresh();
    await world.putAndLoad(EARLY, incFile([{ ticket_id: 'INC-1' }, { ticket_id: 'EXPORT STOPPED here' }]));
    await world.put('2026-06-21T13-00-00.csv', incFile([{ ticket_id: 'INC-2' }]));
    await world.put(LATER, incFile([{ ticket_id: 'INC-3', mttr: 'much' }]));
    const { workflow } = temporal.parts.temporal;
    const options = { args: [{ dataset: 'inc' }], taskQueue: QUEUE, workflowId: 'refused' };
    await assert.rejects(workflow.execute('ingestDataset', options));
    await world.db.query(
      `update tickets.dataset_state set last_checked_at = last_checked_at - interval '16 minutes';
       update tickets.import_meta set imported_at = imported_at - interval '16 minutes'`,
    );
    const queries = await docsQueries();
    const answers = [];
    for (const { page, text } of queries) answers.push({ page, text, rows: await world.db.query(text) });
    const alerts = answers.filter(
      ({ page, text }) => page === 'docs/operations.md' && text.includes('tickets.dataset_status'),
    );
    assert.deepEqual(
      alerts.map(({ rows }) => rows.map((row) => (row as { dataset: string }).dataset)),
      [['inc'], ['inc'], ['inc'], ['inc'], ['inc']],
    );
    assert.ok(answers.length > alerts.length + 5);
  });

  it('no reason is left over, each names what is there, and each script is in package.json', async () => {
    const commands = (await docsCommands()).flatMap(({ text }) => partsOf(text));
    const used = new Set(commands.map(elsewhere));
    assert.deepEqual(
      Object.keys(ELSEWHERE).filter((start) => !used.has(start)),
      [],
    );
    const named = [...Object.values(ELSEWHERE), ...commands].flatMap(
      (text) => text.match(/\btest\/[\w/.]*\w/g) ?? [],
    );
    assert.deepEqual(
      named.filter((path) => !existsSync(path)),
      [],
    );
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const run = commands.flatMap((text) => /\bnpm run ([\w:-]+)/.exec(text)?.[1] ?? []);
    assert.deepEqual(
      run.filter((name) => scripts[name] === undefined),
      [],
    );
  });

  it('are found in each kind of block', () => {
    const page =
      '```sh\na b \\\n  c   # why\n# alone\n```\n\n  ```console\n  $ d\n  out\n  ```\n\n```text\n$ e\nf\n```\n';
    assert.deepEqual(commandsOf(page), [['a b c'], ['d'], ['e']]);
  });

  it('the signature of docs/monitoring.md is the HMAC of timestamp, dot and body', async () => {
    const found = (await docsCommands()).find(({ text }) => text.includes('openssl dgst'));
    const said = await runInShell(found?.text ?? 'false', { folder: '', env });
    const hmac = createHmac('sha256', SECRET).update('1767225600.{"id":1}').digest('hex');
    assert.equal(said.stdout.split(' ')[0], hmac);
  });
});
