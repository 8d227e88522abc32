import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { attemptsOf } from '../support/attempts.ts';
import {
  startPostgresProxy,
  type ClientMessage,
  type PostgresProxy,
} from '../support/faults/postgresProxy.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { rebuilderUrl } from '../support/shared.ts';
import { readTable } from '../support/tables.ts';
import { openWorld, type World } from '../support/world.ts';

const asks = (message: ClientMessage, text: string): boolean => message.text().includes(text);

describe('a rebuilder is killed', function () {
  this.timeout(120_000);
  let world: World;
  let proxy: PostgresProxy;
  let url: URL;
  beforeEach(async () => {
    world = await openWorld();
    url = new URL(rebuilderUrl(world.shared.stack, world.name));
    proxy = await startPostgresProxy(Number(url.port));
    url.port = String(proxy.port);
    await world.putAndLoad(fileName(1), incFile([{ ticket_id: 'A' }, { ticket_id: 'B' }]));
    await world.putAndLoad(fileName(2), incFile([{ ticket_id: 'A', priority: 'P2' }]));
  });
  afterEach(async () => {
    proxy.heal();
    await world.close();
    await proxy.stop();
  });

  async function spoil(): Promise<Map<string, unknown>> {
    const good = new Map(await readTable(world.db, inc));
    await world.db.query(`update tickets.inc set priority = 'edited' where ticket_id = 'A'`);
    await world.db.query(`delete from tickets.inc where ticket_id = 'B'`);
    return good;
  }

  async function until(state: string): Promise<void> {
    const is = async (): Promise<boolean> => {
      const [row] = await world.db.query<{ state: string }>('select state from tickets.rebuilds');
      return row?.state === state;
    };
    while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Kills a rebuilder at a message of its. */
  async function killAt(text: string): Promise<void> {
    const child = world.workProcess({ ...world.env, DATABASE_URL: url.href }, 'dist/rebuilder.js');
    await new Promise<void>((resolve) => {
      proxy.rule = (message) => {
        if (asks(message, text) && child.kill('SIGKILL')) resolve();
        return 'none';
      };
    });
  }

  /** Kills a rebuilder whose commit behind a message of its is done, and whose answer it has not seen. */
  async function killAfterCommit(text: string, state: string): Promise<void> {
    const child = world.workProcess({ ...world.env, DATABASE_URL: url.href }, 'dist/rebuilder.js');
    let armed = false;
    proxy.rule = (message) => {
      armed ||= asks(message, text);
      // A frozen process reads no answer.
      if (armed && asks(message, 'commit')) child.kill('SIGSTOP');
      return 'none';
    };
    await until(state);
    child.kill('SIGKILL');
  }

  it('while it compares: another one compares, and applies', async () => {
    const good = await spoil();
    const handle = await world.startRebuild({ agreed: true });
    await killAt('insert into tickets.rebuild_rows');
    await until('building');
    await world.rebuildWork();
    const { outcome, inserted, updated } = await handle.result();
    assert.deepEqual([outcome, inserted, updated], ['applied', 1, 1]);
    assert.deepEqual(await attemptsOf(handle), [1, 2]);
    assert.deepEqual(new Map(await readTable(world.db, inc)), good);
  });

  it('once it has applied, before it hears so: another one says what was applied', async () => {
    const good = await spoil();
    const handle = await world.startRebuild({ agreed: true });
    await killAfterCommit('insert into tickets.import_meta', 'applied');
    await world.rebuildWork();
    const { outcome, inserted, updated, removed, difference } = await handle.result();
    assert.deepEqual([outcome, inserted, updated, removed], ['applied', 1, 1, 0]);
    assert.deepEqual(difference?.columns, { priority: 1 });
    assert.deepEqual(await attemptsOf(handle), [1, 2]);
    assert.equal((await world.ledger()).filter(({ type }) => type === 'rebuilt').length, 1);
    assert.deepEqual(new Map(await readTable(world.db, inc)), good);
  });

  it('once it has kept a table, before it hears so: another one says which', async () => {
    const handle = await world.startRebuild({ asOf: inc.changesPrefix + fileName(1) });
    await killAfterCommit('rename to', 'kept');
    await world.rebuildWork();
    const { outcome, table, rows } = await handle.result();
    assert.deepEqual([outcome, table, rows], ['kept', 'tickets_rebuild.inc_as_of_20260301t000100', 2]);
    assert.deepEqual(await attemptsOf(handle), [1, 2]);
  });
});
