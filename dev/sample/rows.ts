/** Which rows the sample's files have. A file keeps nothing of another: all follows from the seed and the numbers. */

import { random } from './random.ts';
import { ticketRow, type Row } from './ticket.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** The baseline's tickets were created over this time before it. */
const HISTORY_MS = 400 * DAY_MS;
/** Of the baseline's rows. */
const ALARM_SHARE = 0.24;

/** A sample's ground: what all its files share. */
export interface Ground {
  readonly seed: number;
  /** The baseline's tickets have the numbers below this. */
  readonly tickets: number;
  readonly stepMs: number;
  /** The baseline's time. */
  readonly start: number;
  /** How many of the baseline's tickets deltas change, and how many they send again as they were. */
  readonly lively: number;
  readonly quiet: number;
}

/** The ground of a sample whose baseline has this many tickets. */
export function groundOf(input: Pick<Ground, 'seed' | 'tickets' | 'stepMs' | 'start'>): Ground {
  let quiet = 0;
  let lively = 0;
  for (let number = 0; number < input.tickets; number++) {
    if (isAlarm(input.seed, number)) continue;
    if (isQuiet(number)) quiet++;
    else lively++;
  }
  return { ...input, quiet, lively };
}

/** How a delta's rows are made up. */
export interface Mix {
  readonly alarm: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** Which delta. */
export interface DeltaInput {
  /** The number of the delta, from 1 on, and so of the version of the tickets that it changes. */
  readonly version: number;
  /** The number of the first new ticket. */
  readonly next: number;
  readonly mix: Mix;
}

/** The sentinel first, since this exporter cuts its first file short, then the tickets by age. */
export function* baselineRows(ground: Ground): Generator<Partial<Row>> {
  yield { ticket_id: `EXPORT STOPPED: row limit of ${ground.tickets} reached` };
  for (let number = 0; number < ground.tickets; number++) yield baselineRow(ground, number);
}

function baselineRow(ground: Ground, number: number): Row {
  const { seed, start } = ground;
  const created = baselineCreated(ground, number);
  const age = random(seed, 4, number).below(10 * DAY_MS);
  const updated = Math.min(created + age, start - 1000);
  return ticketRow({ seed, number, version: 0, alarm: isAlarm(seed, number), created, updated });
}

/** Spread evenly over the history, the last one still before the baseline's time. */
function baselineCreated({ seed, start, tickets }: Ground, number: number): number {
  const apart = HISTORY_MS / tickets;
  const late = random(seed, 3, number).below(1000) / 1000;
  return Math.min(Math.floor(start - HISTORY_MS + (number + late) * apart), start - 1000);
}

/** By the time of their change, as an export's `order by updated_at` has it. */
export function deltaRows(ground: Ground, { version, next, mix }: DeltaInput): Row[] {
  const { seed, stepMs } = ground;
  const from = random(seed, 5, version);
  const end = ground.start + version * stepMs;
  const recent = () => end - 1 - from.below(stepMs / 2);
  const rows: { time: number; row: Row }[] = [];
  for (const number of choose(ground, { version, count: mix.unchanged, isWanted: isQuiet })) {
    rows.push({ time: end - stepMs, row: baselineRow(ground, number) });
  }
  for (const number of choose(ground, { version, count: mix.updated, isWanted: (n) => !isQuiet(n) })) {
    const updated = recent();
    const created = baselineCreated(ground, number);
    rows.push({ time: updated, row: ticketRow({ seed, number, version, alarm: false, created, updated }) });
  }
  for (let number = next; number < next + mix.inserted + mix.alarm; number++) {
    const updated = recent();
    const created = updated - from.below(stepMs / 2);
    const alarm = number >= next + mix.inserted;
    rows.push({ time: updated, row: ticketRow({ seed, number, version: 0, alarm, created, updated }) });
  }
  return rows.sort((a, b) => a.time - b.time).map(({ row }) => row);
}

/** Different tickets of the baseline, alarms not among them. */
function choose(
  ground: Ground,
  input: { readonly version: number; readonly count: number; readonly isWanted: (number: number) => boolean },
): Set<number> {
  const from = random(ground.seed, 6, input.version, input.count);
  const chosen = new Set<number>();
  while (chosen.size < input.count) {
    let number = from.below(ground.tickets);
    // There are enough: mixOf saw to it.
    while (!input.isWanted(number) || isAlarm(ground.seed, number) || chosen.has(number)) {
      number = (number + 1) % ground.tickets;
    }
    chosen.add(number);
  }
  return chosen;
}

/** About a fifth alarms, three tenths new tickets, a tenth sent again as they are, the rest changes. */
export function mixOf(ground: Ground, rows: number): Mix {
  const alarm = Math.floor(rows * 0.2);
  const unchanged = Math.min(Math.floor(rows * 0.1), ground.quiet);
  const updated = Math.min(rows - alarm - Math.floor(rows * 0.3) - unchanged, ground.lively);
  return { alarm, unchanged, updated, inserted: rows - alarm - unchanged - updated };
}

function isAlarm(seed: number, number: number): boolean {
  return random(seed, 7, number).chance(ALARM_SHARE);
}

/** A seventh of the tickets never changes, so that one sent again equals what is stored. */
function isQuiet(number: number): boolean {
  return number % 7 === 3;
}
