import assert from 'node:assert/strict';
import { hostname, userInfo } from 'node:os';
import { inc } from '../../src/datasets/inc.ts';
import { recordSkip } from '../../src/postgres/skip.ts';
import { until } from '../support/faults/deadline.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { onTerminal } from '../support/onTerminal.ts';
import { createUser, grant } from '../support/s3User.ts';
import { openWorld, type Printed, type World } from '../support/world.ts';

const full = (n: number): string => inc.changesPrefix + fileName(n);
const aside = (n: number): string => inc.skippedPrefix + fileName(n);
const POISON = incFile([{ ticket_id: 'A', mttr: 'hushhush' }]);

describe('tidemark skip', function () {
  this.timeout(60_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  function skip(key: string, reason = 'it is broken'): Promise<Printed> {
    return world.client('skip', 'inc', key, '--reason', reason);
  }

  async function openFailures(): Promise<number> {
    const rows = await world.db.query(`select from tickets.import_failures where resolved_at is null`);
    return rows.length;
  }

  async function etagOf(key: string): Promise<string> {
    return (await world.deps.store.head({ key }))?.etag ?? 'none';
  }

  it('records a poison file with reason and person, moves it, and the dataset goes on', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), POISON);
    await world.put(fileName(3), incFile([{ ticket_id: 'B' }]));
    await assert.rejects(world.run());
    // Of the second listing it is no pending file any more.
    await assert.rejects(world.run());
    const etag = await etagOf(full(2));
    const printed = await skip(fileName(2));
    assert.deepEqual(printed, {
      status: 0,
      stdout: `${full(2)}: skip recorded\nmoved to ${aside(2)}\n`,
      stderr: '',
    });
    assert.equal(String(await world.content(aside(2))), POISON);
    const told = `select pending, pending_total::int as total from tickets.dataset_status where dataset = 'inc'`;
    assert.deepEqual(await world.db.query(told), [{ pending: [full(3)], total: 1 }]);
    // The skip was of one content.
    await world.put(fileName(2), incFile([{ ticket_id: 'C' }]));
    await world.db.query(
      `update tickets.dataset_state set last_listing = last_listing || jsonb_build_object(
         'pending', jsonb_build_object('total', 2, 'keys', jsonb_build_array($1::text, $2::text)),
         'began_at', clock_timestamp())`,
      [full(2), full(3)],
    );
    assert.deepEqual(await world.db.query(told), [{ pending: [full(2), full(3)], total: 2 }]);
    await world.remove(full(2));
    const result = await world.run();
    assert.deepEqual([result.applied, result.watermark], [1, full(3)]);
    const [skipped] = (await world.ledger()).filter(({ type }) => type === 'skipped');
    assert.deepEqual([skipped?.key, skipped?.archived, skipped?.read], [full(2), true, 0]);
    const who = `${userInfo().username}@${hostname()}`;
    assert.deepEqual(skipped?.metadata, { etag, reason: 'it is broken', who });
    assert.equal(await openFailures(), 0);
    const [failure] = await world.db.query(`select resolution from tickets.import_failures`);
    assert.deepEqual(failure, { resolution: 'skipped' });
  });

  it('accepts the loss of a vanished file, and takes it in should it come back', async () => {
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }]));
    await assert.rejects(world.load(full(2)), { kind: 'FileVanished' });
    await world.put(fileName(3), incFile([{ ticket_id: 'C' }]));
    await assert.rejects(world.run());
    const { status, stdout } = await skip(full(2));
    assert.deepEqual(
      [status, stdout],
      [0, `${full(2)}: skip recorded\nthe object is gone: nothing to move\n`],
    );
    await world.put(fileName(2), incFile([{ ticket_id: 'B' }]));
    assert.equal((await world.run()).applied, 2);
    const [skipped] = (await world.ledger()).filter(({ type }) => type === 'skipped');
    assert.equal(skipped?.metadata['etag'], undefined);
  });

  it('takes late, changed, pending and future files', async () => {
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), incFile([{ ticket_id: 'A', priority: 'again' }]));
    await world.put(fileName(1), incFile([{ ticket_id: 'late' }]));
    await world.put(fileName(3), incFile([{ ticket_id: 'B' }]));
    const future = '2099-01-01T00-00-00.csv';
    await world.put(future, incFile([{ ticket_id: 'C' }]));
    for (const name of [fileName(1), fileName(2), fileName(3), future]) {
      assert.equal((await skip(name)).status, 0);
    }
    assert.deepEqual(await world.keys(inc.changesPrefix), []);
    assert.equal((await world.run()).applied, 0);
    assert.deepEqual(
      (await world.ledger()).map(({ type, metadata }) => [type, metadata['source_max_key']]),
      [['baseline', full(2)], ...Array.from({ length: 4 }, () => ['skipped', undefined])],
    );
  });

  it('a second time finishes the move, or says that nothing is left to do', async () => {
    await world.put(fileName(1), POISON);
    const etag = await etagOf(full(1));
    // As if the first had died between its commit and its move.
    await recordSkip(world.db, { dataset: 'inc', key: full(1), etag, reason: 'r', who: 'w' });
    assert.equal((await skip(full(1))).stdout, `${full(1)}: skipped before\nmoved to ${aside(1)}\n`);
    const third = await skip(full(1));
    assert.deepEqual(
      [third.status, third.stdout],
      [0, `${full(1)}: skipped before\nnothing is left to do\n`],
    );
    const ledger = await world.ledger();
    assert.deepEqual(
      ledger.map(({ type, archived }) => [type, archived]),
      [['skipped', true]],
    );
  });

  it('--json is one document', async () => {
    await world.put(fileName(1), POISON);
    const printed = await world.client('skip', 'inc', full(1), '--reason', 'r', '--yes', '--json');
    assert.deepEqual(JSON.parse(printed.stdout), {
      dataset: 'inc',
      key: full(1),
      recorded: true,
      object: 'moved',
      skippedTo: aside(1),
    });
  });

  it('on a terminal it names size and ETag and asks; what is put there meanwhile is not skipped', async () => {
    await world.put(fileName(1), POISON);
    const etag = await etagOf(full(1));
    const verb = `skip inc ${fileName(1)}`;
    const content = `${full(1)}: the content that lies there, ${Buffer.byteLength(POISON)} bytes, ETag ${etag}, will be left out`;
    const refused = await onTerminal(world, 'n\n', verb);
    assert.equal(refused.status, 3);
    assert.ok(refused.said.includes(content), refused.said);
    const mended = incFile([{ ticket_id: 'A' }]);
    const { status, said } = await onTerminal(
      world,
      async (type) => {
        await world.put(fileName(1), mended);
        type('y\n');
      },
      verb,
    );
    assert.equal(status, 1);
    assert.match(said, /has other content now than you were asked about, or is gone: nothing was done/);
    assert.deepEqual(await world.ledger(), []);
    assert.equal(String(await world.content(full(1))), mended);
    assert.equal((await onTerminal(world, 'y\n', verb)).status, 0);
  });

  it('where S3 refuses the move it is recorded all the same, and the next run moves the object', async () => {
    await world.put(fileName(1), POISON);
    const user = await createUser(world.shared.stack);
    const Resource = [`arn:aws:s3:::${world.name}`, `arn:aws:s3:::${world.name}/*`];
    const Action = ['s3:ListBucket', 's3:GetObject'];
    await grant(world.s3, world.name, user, [{ Effect: 'Allow', Action, Resource }]);
    const keys = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    const skipped = (...args: string[]) =>
      world.command(['dist/client.js', 'skip', 'inc', full(1), '--reason', 'r', ...args], {
        ...world.env,
        ...keys,
      });
    const { status, stdout, stderr } = await skipped();
    assert.deepEqual(
      [status, stdout],
      [0, `${full(1)}: skip recorded\nnot moved: the next run moves it\n`],
      stderr,
    );
    assert.match(stderr, /^tidemark: recorded, and not moved: S3 at .*AccessDenied.*\n$/);
    const again = JSON.parse((await skipped('--json')).stdout) as object;
    assert.deepEqual(again, { dataset: 'inc', key: full(1), recorded: false, object: 'owed' });
    assert.equal((await world.run()).applied, 0);
    assert.deepEqual(await world.keys(), [aside(1)]);
  });

  it('other bytes under the same name are a new file: a skip is taken back with a blank line at the end', async () => {
    const body = incFile([{ ticket_id: 'A' }]);
    await world.put(fileName(1), body);
    await skip(full(1));
    await world.put(fileName(1), body);
    assert.equal((await world.run()).applied, 0);
    assert.deepEqual(await world.keys(), [aside(1)]);
    await world.put(fileName(1), `${body}\n`);
    assert.equal((await world.run()).applied, 1);
    assert.deepEqual(
      (await world.ledger()).map(({ type, read, rejected }) => [type, read, rejected]),
      [
        ['skipped', 0, 0],
        ['baseline', 1, 0],
      ],
    );
    assert.ok((await world.keys()).includes(aside(1)));
  });

  it('refuses what is applied, whether it lies there, was uploaded again or is archived', async () => {
    const body = incFile([{ ticket_id: 'A' }]);
    await world.putAndLoad(fileName(1), body);
    const applied = new RegExp(`^tidemark: ${full(1)} is applied: its rows are in the table`);
    assert.match((await skip(full(1))).stderr, applied);
    // The same bytes under another ETag, as an upload in parts gives them.
    await world.db.query(
      `update tickets.import_meta set metadata = metadata || '{"etag":"0123456789abcdef0123456789abcdef-2"}'`,
    );
    assert.match((await skip(full(1))).stderr, applied);
    await world.remove(full(1));
    const { status, stderr } = await skip(full(1));
    assert.deepEqual(
      [status, stderr],
      [1, `tidemark: ${full(1)} is applied and archived: there is nothing to skip\n`],
    );
    assert.equal((await world.ledger()).length, 1);
  });

  it('refuses a name that is no change file’s, and a file that nobody knows', async () => {
    for (const key of [
      'latest.csv',
      '2026-02-30T00-00-00.csv',
      `automations/crq/changes/${fileName(1)}`,
      '\u001b[2J',
    ]) {
      const { status, stderr } = await skip(key);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /is no change file of inc: automations\/inc\/changes\/YYYY-MM-DDTHH-mm-ss\.csv, \.csv\.gz or \.csv\.zst\n$/,
      );
      assert.ok(!stderr.includes('\u001b'));
    }
    assert.match((await skip(fileName(1))).stderr, /is neither listed nor refused/);
    assert.match((await skip(fileName(1), ' ')).stderr, /--reason is empty/);
    assert.equal((await world.client('skip', 'inc', fileName(1))).status, 2);
    assert.deepEqual(await world.ledger(), []);
  });

  it('holds against a load of the same content that is under way', async () => {
    await world.put(fileName(1), incFile([{ ticket_id: 'A' }]));
    await world.put(fileName(2), POISON);
    const [first, second] = [await etagOf(full(1)), await etagOf(full(2))];
    let loading: Promise<unknown> = Promise.resolve();
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      loading = world.load(full(1));
      await staged(world);
      await recordSkip(tx, { dataset: 'inc', key: full(1), etag: first, reason: 'r', who: 'w' });
    });
    assert.deepEqual(await loading, { outcome: 'late' });
    await recordSkip(world.db, { dataset: 'inc', key: full(2), etag: second, reason: 'r', who: 'w' });
    assert.deepEqual(await world.load(full(2)), { outcome: 'replaced' });
    assert.equal(await openFailures(), 0);
    const result = await world.run();
    assert.deepEqual([result.applied, result.archived], [0, 2]);
    assert.deepEqual(await world.keys(inc.skippedPrefix), [aside(1), aside(2)]);
  });

  it('gives up where a load holds the dataset for longer than it waits', async () => {
    await world.put(fileName(1), POISON);
    await world.db.transaction(async (tx) => {
      await tx.query(`select from tickets.dataset_state for update`);
      const { status, stderr } = await skip(full(1));
      assert.equal(status, 1);
      assert.match(stderr, /could not get a lock in time \[55P03\]\. A load holds the dataset; try again/);
    });
    assert.deepEqual(await world.keys(), [full(1)]);
  });
});

/** Waits until a load waits for the dataset's row. */
async function staged(world: World): Promise<void> {
  const waits = `select from pg_locks l join pg_database d on d.oid = l.database or l.database is null
    where not l.granted and d.datname = current_database()`;
  await until('a load waits', async () => (await world.deps.pool.query(waits)).length > 0);
}
