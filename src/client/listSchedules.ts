import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';
import type { Dataset } from '../datasets/dataset.ts';
import { scheduleId } from './openRun.ts';
import { localTime, note, print, printable, printJson, printTable } from './terminal.ts';

interface ScheduleLine {
  readonly id: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly paused: boolean;
  readonly note: string | null;
  readonly nextRun: string | null;
  readonly lastRun: { readonly at: string; readonly workflowId: string } | null;
}

/** Prints the Schedules of datasets. They are asked one by one: the server's list is a moment behind. */
export async function listSchedules(
  client: Client,
  datasets: readonly Dataset[],
  json: boolean,
): Promise<void> {
  const lines: ScheduleLine[] = [];
  for (const dataset of datasets) {
    const description = await describe(client, scheduleId(dataset.name));
    if (description) lines.push(lineOf(description));
    else if (dataset.enabled)
      note(`${dataset.name} has no Schedule yet: tidemark schedule apply ${dataset.name}`);
  }
  if (json) return printJson({ schedules: lines });
  if (lines.length === 0) return;
  printTable(
    [
      { title: 'SCHEDULE' },
      { title: 'CRON' },
      { title: 'STATE' },
      { title: 'NEXT RUN' },
      { title: 'LAST RUN' },
    ],
    lines.map(cellsOf),
  );
  print(`times are of ${lines[0]?.timeZone}`);
}

async function describe(client: Client, id: string): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(id).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

function lineOf({ scheduleId: id, spec, state, info }: ScheduleDescription): ScheduleLine {
  const last = info.recentActions.at(-1);
  return {
    id,
    // `schedule apply` puts the expression there.
    cron: spec.calendars?.map(({ comment }) => comment ?? '(a calendar)').join(', ') ?? '',
    timeZone: spec.timezone ?? 'UTC',
    paused: state.paused,
    note: state.note || null,
    nextRun: state.paused ? null : (info.nextActionTimes[0]?.toISOString() ?? null),
    lastRun: last ? { at: last.takenAt.toISOString(), workflowId: last.action.workflow.workflowId } : null,
  };
}

function cellsOf(line: ScheduleLine): string[] {
  const state = line.paused ? 'paused' : 'active';
  return [
    line.id,
    printable(line.cron),
    line.note ? `${state} (${printable(line.note)})` : state,
    localTime(line.nextRun, line.timeZone),
    localTime(line.lastRun?.at, line.timeZone),
  ];
}
