/** One incident of the sample, as the exporter's row: a function of its number and version, so that none is kept. */

import { random, type Random } from './random.ts';
import { naive, utc, week, weekAsInstant, withOffset } from './times.ts';
import * as words from './words.ts';

/** The header, in the exporter's order: all columns of the dataset, and those that it drops. */
export const HEADER = [
  'ticket_id',
  'title',
  'description',
  'raw_status',
  'priority',
  'severity',
  'category',
  'sub_category',
  'is_alarm',
  'region',
  'county',
  'site_id',
  'site_name',
  'latitude',
  'longitude',
  'technology',
  'vendor',
  'assigned_group',
  'assigned_to',
  'root_cause',
  'created_at',
  'updated_at',
  'resolved_at',
  'closed_at',
  'created_week',
  'resolved_week',
  'mttr',
  'sla_breached',
  'is_major_incident',
  'source_s3_bucket',
  'source_s3_key',
  'source_snapshot_id',
] as const;

/** The cells of a row, by column. */
export type Row = Record<(typeof HEADER)[number], string>;

/** Which ticket, and in which state. */
export interface TicketInput {
  readonly seed: number;
  /** From 0 on. */
  readonly number: number;
  /** 0 as first exported, then another one for each change. */
  readonly version: number;
  readonly alarm: boolean;
  /** Milliseconds since the epoch; `created` <= `updated`. */
  readonly created: number;
  readonly updated: number;
}

const HOUR_MS = 60 * 60 * 1000;
/** Tickets older than this when they last changed are mostly closed. */
const OLD_MS = 48 * HOUR_MS;
/** The first number of the sample, so that ids look like those of a system in use. */
const FIRST_ID = 4_100_000;

function ticketId(number: number): string {
  return `INC${String(FIRST_ID + number).padStart(12, '0')}`;
}

/** The row of a ticket. What a change leaves alone (site, title, creation) depends on the number only. */
export function ticketRow(input: TicketInput): Row {
  const fixed = random(input.seed, 1, input.number);
  const changing = random(input.seed, 2, input.number, input.version);
  return {
    ticket_id: ticketId(input.number),
    ...texts(fixed, input),
    ...place(fixed, input.alarm),
    ...people(changing),
    ...lifecycle(changing, input),
    is_alarm: flag(fixed, input.alarm),
    is_major_incident: flag(fixed, fixed.chance(0.03)),
    ...source(fixed, input.created),
  };
}

function texts(from: Random, input: TicketInput) {
  const category = from.pick(words.CATEGORIES);
  const sentences = [from.pick(words.SENTENCES)];
  if (from.chance(0.25)) sentences.push(from.pick(words.SENTENCES));
  if (input.version > 0) sentences.push(`Update ${input.version}: status reviewed.`);
  return {
    title: `${from.pick(words.TITLES)} - ${from.pick(words.SITES)}`,
    description: from.chance(0.06) ? '' : sentences.join(from.chance(0.2) ? '\n' : ' '),
    priority: from.pick(words.PRIORITIES),
    severity: from.pick(words.SEVERITIES),
    category: category.name,
    sub_category: from.pick(category.kinds),
  };
}

/** Alarms come from element managers that know no coordinates and say so: such cells of a dropped row are not read. */
function place(from: Random, alarm: boolean) {
  const region = from.pick(words.REGIONS);
  const county = from.pick(region.counties);
  const degrees = (corner: number) =>
    (corner + (from.below(1_000_000) / 1_000_000) * words.REGION_DEGREES).toFixed(from.pick([4, 5, 6]));
  const unknown = alarm && from.chance(0.3) ? 'N/A' : from.chance(0.05) ? '' : undefined;
  return {
    region: from.pick(region.spellings),
    county,
    site_id: `${county.slice(0, 3).toUpperCase()}${String(from.below(9000) + 1000)}`,
    site_name: `${from.pick(words.SITES)} ${from.below(9) + 1}`,
    latitude: unknown ?? degrees(region.south),
    longitude: unknown ?? degrees(region.west),
    technology: from.pick(words.TECHNOLOGIES),
    vendor: from.pick(words.VENDORS),
  };
}

function people(from: Random) {
  return {
    assigned_group: from.pick(words.GROUPS),
    assigned_to: from.pick(words.PEOPLE),
    root_cause: from.chance(0.4) ? from.pick(words.CAUSES) : '',
  };
}

function lifecycle(from: Random, { created, updated }: TicketInput) {
  const state = stateOf(from, updated - created);
  const ended = state === 'resolved' || state === 'closed';
  // `closed` follows `resolved` by up to a tenth of the ticket's life; both lie within it.
  const life = updated - created;
  const resolved = created + Math.floor(life * (0.2 + from.below(700) / 1000));
  const closed = resolved + Math.floor(life * 0.1);
  return {
    raw_status: from.pick(words.STATUS[state]),
    created_at: from.chance(0.9) ? naive(created) : naive(created).replace(' ', 'T'),
    updated_at: withOffset(updated),
    resolved_at: ended ? from.pick([utc, naive])(resolved) : '',
    closed_at: state === 'closed' ? from.pick([utc, withOffset])(closed) : '',
    created_week: from.chance(0.9) ? week(created) : weekAsInstant(created),
    resolved_week: ended ? week(resolved) : '',
    mttr: ended ? ((resolved - created) / HOUR_MS).toFixed(2) : '',
    sla_breached: flag(from, ended && from.chance(0.2)),
  };
}

function stateOf(from: Random, age: number): keyof typeof words.STATUS {
  if (age > OLD_MS && from.chance(0.9))
    return from.pick(['closed', 'closed', 'closed', 'resolved', 'cancelled']);
  return from.pick(['open', 'open', 'working', 'working', 'waiting', 'resolved']);
}

function flag(from: Random, value: boolean): string {
  return from.pick(value ? words.FLAGS.true : words.FLAGS.false);
}

function source(from: Random, created: number) {
  const day = naive(created).slice(0, 10).replaceAll('-', '/');
  const part = String(from.below(64)).padStart(5, '0');
  const id = (from.below(2 ** 32) + 2 ** 32).toString(16).slice(1);
  return {
    source_s3_bucket: 'noc-exports',
    source_s3_key: `itsm/inc/${day}/${part}.json.gz`,
    source_snapshot_id: `snap-${id}`,
  };
}
