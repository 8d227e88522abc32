import assert from 'node:assert/strict';
import { WorkflowFailedError } from '@temporalio/client';
import { HUSH } from '../support/hush.ts';
import { fileName, INC_COLUMNS, incFile, incLine } from '../support/incFile.ts';
import { sayable } from '../support/hooks.ts';
import { openWorld, type World } from '../support/world.ts';

const GOOD = { ticket_id: `${HUSH}-1` };
const HEADER = INC_COLUMNS.join(',');
const whole = (text: string): Buffer => Buffer.from(text);

/** Files that fail in every way there is, each with row values in the place that a careless message would quote. */
const FAILING: Record<string, Buffer> = {
  'a file without a header': whole(`${incLine(GOOD)}\n${incLine(GOOD)}\n`),
  'a header with a row’s value as an unknown column': whole(`${HUSH},ticket_id\n1,2\n`),
  'a bad time': whole(incFile([{ ...GOOD, created_at: HUSH }])),
  'a bad number': whole(incFile([{ ...GOOD, mttr: HUSH }])),
  'a bad flag': whole(incFile([{ ...GOOD, is_alarm: HUSH }])),
  'invalid UTF-8': Buffer.concat([whole(incFile([GOOD])), Buffer.from([0xff]), whole(HUSH)]),
  'an unclosed quote': whole(`${HEADER}\nA,"${HUSH}\n`),
  'a stray quote': whole(`${HEADER}\nA,${HUSH}"\n`),
  'an over-long key': whole(incFile([{ ticket_id: HUSH.repeat(200) }])),
  'a NUL': whole(incFile([{ ...GOOD, title: `${HUSH}\0` }])),
  'too many fields': whole(`${HEADER}\n${incLine(GOOD)},${HUSH}\n`),
  'a record over 1 MiB': whole(incFile([{ ...GOOD, title: HUSH.repeat(150_000) }])),
};

describe('row values stay in PostgreSQL', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  for (const [what, body] of Object.entries(FAILING)) {
    it(`${what}: not in the failure, the history or what a command prints`, async () => {
      await world.put(fileName(1), body);
      await assert.rejects(world.run(), WorkflowFailedError);
      const history = await world.shared.temporal.workflow.getHandle(`${world.name}-run`).fetchHistory();
      const said = sayable(history);
      assert.match(said, /automations\/inc\/changes/);
      assert.ok(!said.includes(HUSH));
    });
  }

  it('what the commands print names key, line and column alone, unless values are asked for', async () => {
    const key = await world.put(fileName(1), FAILING['a bad number'] ?? '');
    await assert.rejects(world.run(), WorkflowFailedError);
    for (const verb of ['status', 'files', 'rejects', 'plan']) {
      const { stdout, stderr } = await world.client(verb, 'inc');
      assert.ok(!`${stdout}${stderr}`.includes(HUSH), verb);
    }
    const { stdout } = await world.client('rejects', 'inc', key);
    assert.match(stdout, /mttr/);
  });

  it('a database that refuses a statement is not quoted', async () => {
    await world.db.query(`alter table tickets.inc add constraint no_hush check (title not like '${HUSH}%')`);
    await world.put(fileName(1), incFile([GOOD]));
    await assert.rejects(world.run(), WorkflowFailedError);
    const [failure] = await world.db.query<{ kind: string; code: string; message: string }>(
      `select kind, code, message from tickets.import_failures`,
    );
    assert.deepEqual([failure?.kind, failure?.code], ['ValueRefused', '23514']);
    assert.ok(!failure?.message.includes(HUSH));
  });
});
