import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { SHADOWS } from '../../src/datasets/index.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const archived = (n: number): string => inc.processedPrefix + fileName(n);

describe('a shadow beside another loader', function () {
  this.timeout(90_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld(SHADOWS);
    const rows = [{ ticket_id: 'A', priority: 'P1' }, { ticket_id: 'B' }, { ticket_id: 'hushhush' }];
    // What the other loader has archived; the shadow reads it there.
    await world.put(archived(1), incFile(rows.slice(0, 2)));
    await world.put(archived(2), incFile(rows.slice(1)));
    await world.put(archived(3), 'no header');
    await world.db.query(`insert into tickets.dataset_state (dataset, enabled) values ('inc_shadow', false)`);
  });
  afterEach(() => world.close());

  async function fillLive(): Promise<void> {
    await world.db.query(`insert into tickets.inc select * from tickets.inc_shadow`);
  }

  it('loads the archive into its own table, keeps a ledger of its own, and touches no object', async () => {
    const before = await world.keys();
    await assert.rejects(world.run());
    const skipped = await world.client('skip', 'inc_shadow', fileName(3), '--reason', 'broken');
    assert.deepEqual(
      [skipped.status, skipped.stdout],
      [0, `${archived(3)}: skip recorded\nleft where it is: a shadow touches no object\n`],
    );
    assert.equal((await (await world.start()).result()).watermark, archived(2));
    assert.deepEqual(await world.keys(), before);
    const tables = await world.db.query(
      `select (select count(*)::int from tickets.inc_shadow) as shadow, (select count(*)::int from tickets.inc) as live,
         (select count(*)::int from tickets.import_meta where dataset <> 'inc_shadow') as others`,
    );
    assert.deepEqual(tables, [{ shadow: 3, live: 0, others: 0 }]);
    const { status, stdout } = await world.client('status');
    assert.deepEqual([status, /inc_shadow/.test(stdout)], [0, false]);
    assert.equal((await world.client('status', 'inc_shadow')).status, 0);
    const applied = await world.client('schedule', 'apply', 'inc_shadow', '--json');
    assert.match(applied.stdout, /"id": "ingest-inc_shadow",\n +"done": "created"/);
    const deleted = await world.client('schedule', 'delete', 'inc_shadow', '--yes');
    assert.deepEqual([deleted.status, deleted.stdout], [0, 'deleted ingest-inc_shadow\n']);
  });

  it('compare counts what differs, by column, and names tickets only where asked', async () => {
    for (const n of [1, 2]) await world.load(archived(n));
    await fillLive();
    const same = await world.client('compare', 'inc');
    assert.deepEqual([same.status, same.stderr], [0, '']);
    assert.match(same.stdout, /^rows {12}3 in tickets\.inc_shadow, 3 in tickets\.inc\n/);
    await world.db.query(`delete from tickets.inc where ticket_id = 'hushhush'`);
    await world.db.query(`update tickets.inc set priority = 'hushhush', region = 'x' where ticket_id = 'A'`);
    await world.db.query(`alter table tickets.inc alter column mttr type text, drop column vendor`);
    const found = await world.client('compare', 'inc', '--json');
    assert.deepEqual(
      [found.status, found.stderr],
      [1, 'tidemark: tickets.inc_shadow and tickets.inc are not the same\n'],
    );
    assert.deepEqual(JSON.parse(found.stdout), {
      dataset: 'inc',
      shadow: 'tickets.inc_shadow',
      live: 'tickets.inc',
      rows: { shadow: 3, live: 2 },
      onlyShadow: 1,
      onlyLive: 0,
      differing: 1,
      columns: { priority: 1, region: 1 },
      missing: ['vendor'],
      asText: ['mttr'],
    });
    await world.db.query(`update tickets.inc_shadow set ticket_id = 'C' where ticket_id = 'hushhush'`);
    const shown = await world.client('compare', 'inc', '--values');
    assert.match(shown.stdout, /TICKET +IN +COLUMNS\nA +both +priority, region\nC +shadow\n$/);
  });

  it('compare takes another live table, and refuses what is none', async () => {
    for (const n of [1, 2]) await world.load(archived(n));
    await fillLive();
    await world.db.query(
      `create schema live; create table live.tickets as select * from tickets.inc;
       grant usage on schema live to tidemark_worker; grant select on live.tickets to tidemark_worker`,
    );
    assert.equal((await world.client('compare', 'inc', '--live', 'live.tickets')).status, 0);
    assert.match(
      (await world.client('compare', 'inc', '--live', 'live.none')).stderr,
      /the live table live\.none is not there/,
    );
    assert.match((await world.client('compare', 'inc', '--live', 'a;b')).stderr, /must be schema\.table/);
    assert.match((await world.client('compare', 'inc_shadow')).stderr, /inc_shadow has no shadow/);
  });
});
