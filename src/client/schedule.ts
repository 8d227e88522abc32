import type { Command } from 'commander';
import { ScheduleNotFoundError, ScheduleOverlapPolicy, type ScheduleHandle } from '@temporalio/client';
import { applySchedule } from './applySchedule.ts';
import { confirm } from './confirm.ts';
import { enabledDatasets, scheduledDatasets } from './datasetNamed.ts';
import { listSchedules } from './listSchedules.ts';
import { scheduleId } from './openRun.ts';
import { Problem } from './problem.ts';
import { withServers, type Servers } from './servers.ts';
import { print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** `schedule` and its verbs. */
export function addSchedule(program: Command): void {
  const schedule = program
    .command('schedule')
    .summary('the Schedules: apply, list, trigger, pause, resume, delete')
    .description('One Temporal Schedule for each enabled dataset, its id ingest-<dataset>.');
  schedule
    .command('apply')
    .summary('create or update the Schedule of one or of all enabled datasets')
    .description(
      'Creates or updates the Schedules of the enabled datasets; a pause and its note stay. Removes nothing.',
    )
    .argument('[dataset]')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  $ tidemark schedule apply\n  created ingest-inc: */5 * * * * (Africa/Nairobi)',
    )
    .action((name: string | undefined, { json }: { json?: boolean }) =>
      withServers((servers) => apply(servers, name, json === true ? 'json' : 'lines')),
    );
  schedule
    .command('list')
    .summary('show each Schedule: cron, pause, next and last run')
    .argument('[dataset]')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark schedule list')
    .action((name: string | undefined, options: { json?: boolean }) =>
      withServers(async (servers) =>
        listSchedules(await servers.temporal(), scheduledDatasets(name), options.json === true),
      ),
    );
  addDeed(
    schedule,
    'trigger',
    'start a run now; skipped while a scheduled one is open',
    'triggered',
    (handle) =>
      // The SDK's default would let it run beside an open one.
      handle.trigger(ScheduleOverlapPolicy.SKIP),
  );
  addDeed(schedule, 'pause', 'start no more runs until resumed', 'paused', (handle, reason) =>
    handle.pause(noteOf(reason ?? 'paused')),
  );
  addDeed(schedule, 'resume', 'go on starting runs', 'resumed', (handle, reason) =>
    handle.unpause(noteOf(reason ?? 'resumed')),
  );
  addDeed(schedule, 'delete', 'remove the Schedule; an open run goes on', 'deleted', (handle) =>
    handle.delete(),
  );
}

/** The note of a Schedule is its audit: Temporal keeps the time. */
function noteOf(reason: string): string {
  return `${reason} (${whoActs()})`;
}

async function apply(servers: Servers, name: string | undefined, as: Format): Promise<void> {
  const schedules: object[] = [];
  const client = await servers.temporal();
  for (const dataset of enabledDatasets(name)) {
    const done = await applySchedule(client, dataset, servers.config.taskQueue);
    const { cron, timeZone } = dataset;
    const id = scheduleId(dataset.name);
    schedules.push({ id, done, cron, timeZone });
    if (as === 'lines') print(`${done} ${id}: ${cron} (${timeZone})`);
  }
  if (as === 'json') printJson({ schedules });
}

type Format = 'json' | 'lines';

type Deed = (handle: ScheduleHandle, reason: string | undefined) => Promise<void>;

/** A verb that does one thing to existing Schedules. */
function addDeed(schedule: Command, verb: string, summary: string, done: string, deed: Deed): void {
  const command = schedule
    .command(verb)
    .summary(summary)
    .description(
      `${summary[0]?.toUpperCase()}${summary.slice(1)}. Without a dataset: every Schedule there is.`,
    )
    .argument('[dataset]')
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExample:\n  $ tidemark schedule ${verb} inc`);
  if (verb === 'pause' || verb === 'resume')
    command.option('--reason <text>', 'kept as the note of the Schedule');
  if (verb === 'delete') command.option('--yes', 'do it without asking; without a terminal nobody is asked');
  command.action((name: string | undefined, options: DeedOptions) =>
    withServers(async (servers) => {
      const datasets = scheduledDatasets(name);
      if (verb === 'delete') {
        const ids = datasets.map((dataset) => scheduleId(dataset.name)).join(', ');
        await confirm({ what: `Will be deleted, where there: ${ids}`, yes: options.yes, unattended: 'goOn' });
      }
      const ids = await doToEach(servers, name, (handle) => deed(handle, options.reason));
      if (options.json === true) printJson({ schedules: ids.map((id) => ({ id, done })) });
      else for (const id of ids) print(`${done} ${id}`);
    }),
  );
}

interface DeedOptions {
  readonly reason?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** @returns the ids of the Schedules to which it was done @throws Problem where there is none */
async function doToEach(
  servers: Servers,
  name: string | undefined,
  deed: (handle: ScheduleHandle) => Promise<void>,
): Promise<readonly string[]> {
  const client = await servers.temporal();
  const ids: string[] = [];
  for (const dataset of scheduledDatasets(name)) {
    const id = scheduleId(dataset.name);
    try {
      await deed(client.schedule.getHandle(id));
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) continue;
      throw error;
    }
    ids.push(id);
  }
  if (ids.length > 0) return ids;
  const missing =
    name === undefined ? 'There is no Schedule' : `There is no Schedule ${printable(scheduleId(name))}`;
  throw new Problem(`${missing}. Create it: tidemark schedule apply${name === undefined ? '' : ` ${name}`}`);
}
