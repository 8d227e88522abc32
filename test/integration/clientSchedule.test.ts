import assert from 'node:assert/strict';
import type { ScheduleDescription } from '@temporalio/client';
import { whoActs } from '../../src/client/whoActs.ts';
import { until } from '../support/faults/deadline.ts';
import { openWorld, type World } from '../support/world.ts';

describe('tidemark schedule', function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());
  afterEach(() => world.client('schedule', 'delete'));

  function describeSchedule(): Promise<ScheduleDescription> {
    return world.shared.temporal.schedule.getHandle('ingest-inc').describe();
  }

  async function pause(): Promise<{ paused: boolean; note: string | undefined }> {
    const { paused, note } = (await describeSchedule()).state;
    return { paused, note };
  }

  async function ids(): Promise<string[]> {
    const { workflowService } = world.shared.temporal;
    const { schedules } = await workflowService.listSchedules({ namespace: 'default' });
    return (schedules ?? []).map(({ scheduleId }) => scheduleId ?? '');
  }

  it('apply twice is one Schedule, as the dataset says', async () => {
    const printed = [await world.client('schedule', 'apply'), await world.client('schedule', 'apply', 'inc')];
    assert.deepEqual(
      printed.map(({ stdout }) => stdout),
      [
        'created ingest-inc: */5 * * * * (Africa/Nairobi)\n',
        'updated ingest-inc: */5 * * * * (Africa/Nairobi)\n',
      ],
    );
    const { spec, policies, action } = await describeSchedule();
    assert.deepEqual([policies.overlap, policies.catchupWindow], ['SKIP', 60_000]);
    assert.equal(spec.timezone, 'Africa/Nairobi');
    assert.deepEqual(spec.calendars?.[0]?.minute, [{ start: 0, end: 59, step: 5 }]);
    assert.equal(spec.calendars?.length, 1);
    assert.deepEqual(
      [action.workflowType, action.workflowId, action.taskQueue, action.args],
      ['ingestDataset', 'ingest-inc', world.name, [{ dataset: 'inc' }]],
    );
    await until('it is listed', async () => (await ids()).includes('ingest-inc'));
    assert.deepEqual(await ids(), ['ingest-inc']);
  });

  it('apply keeps a pause and its note', async () => {
    await world.client('schedule', 'apply');
    await world.client('schedule', 'pause', 'inc', '--reason', 'S3 is being moved');
    await world.client('schedule', 'apply');
    assert.deepEqual(await pause(), { paused: true, note: `S3 is being moved (${whoActs()})` });
    const { stdout } = await world.client('schedule', 'list');
    const paused = stdout.replace(` (${whoActs()})`, '');
    assert.match(paused, /^SCHEDULE .*\ningest-inc +\*\/5 \* \* \* \* +paused \(S3 is being moved\) +- +-\n/);
    await world.client('schedule', 'resume', 'inc', '--reason', 'moved');
    assert.deepEqual(await pause(), { paused: false, note: `moved (${whoActs()})` });
  });

  it('list --json has cron, pause, next and last run', async () => {
    await world.client('schedule', 'apply');
    const { stdout } = await world.client('schedule', 'list', '--json');
    const { schedules } = JSON.parse(stdout) as {
      schedules: { nextRun: string; lastRun: { at: string; workflowId: string } | null }[];
    };
    const [next] = schedules.map(({ nextRun }) => nextRun);
    const [last] = schedules.map(({ lastRun }) => lastRun);
    // A time of the cron expression may come in the midst of the test.
    if (last !== null) assert.match(last?.workflowId ?? '', /^ingest-inc-\d{4}-\d\d-\d\dT\d\d:\d[05]:00Z$/);
    assert.ok(next !== undefined && Date.parse(next) > Date.now() - 60_000);
    assert.deepEqual(schedules, [
      {
        id: 'ingest-inc',
        cron: '*/5 * * * *',
        timeZone: 'Africa/Nairobi',
        paused: false,
        note: null,
        nextRun: next,
        lastRun: last,
      },
    ]);
  });

  it('what acts on a Schedule that is not there fails, and says how to create it', async () => {
    for (const verb of ['trigger', 'pause', 'resume', 'delete']) {
      const { status, stdout, stderr } = await world.client('schedule', verb, 'inc');
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(stderr, /^tidemark: .*no Schedule ingest-inc.*tidemark schedule apply inc\n$/);
    }
  });
});
