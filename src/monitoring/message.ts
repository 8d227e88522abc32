/** What the webhook is told (docs/monitoring.md). No value of any row. */

import type { AlertEvent, AlertFile, Condition } from '../domain/alerts.ts';

/** The body of a message, but for its id, which PostgreSQL gives. */
export interface Message {
  readonly version: 1;
  readonly event: AlertEvent;
  /** Whether it has begun or is over. */
  readonly status: 'firing' | 'resolved';
  readonly dataset: string;
  readonly at: string;
  /** One sentence for a person. */
  readonly summary: string;
  /** The files that it is about; empty where it is about the dataset. */
  readonly files: readonly AlertFile[];
  /** How many files are in this state now. */
  readonly total: number;
  /** Seconds, or times of the schedule. */
  readonly value?: number;
  /** It was told before, and not taken: these are all files that it is about now. */
  readonly repeated?: true;
}

/** What has begun: before the number, after it. */
const WORDS: Record<AlertEvent, (condition: Condition) => string> = {
  no_check: ({ value }) =>
    `no check for ${value} times of the schedule or more; look at schedule, worker, Temporal and S3`,
  exporter_silent: ({ value }) => `checked, but nothing new for ${minutes(value)}; look at the exporter`,
  stale: ({ value }) => `the newest applied file is ${minutes(value)} old`,
  no_first_file: ({ value }) =>
    `switched on and checked, but no file was applied for ${minutes(value)}; look at the exporter, its prefix and names`,
  file_failed: () => 'a file was refused, and the dataset stops there; mend it, or tidemark skip',
  file_vanished: () =>
    'a file is gone that was not applied, and the dataset stops there; put it back, or tidemark skip',
  file_late: () => 'a file came late and was left; decide',
  file_changed: () => 'an applied file has other content now; decide',
  file_future: () => 'the stamp of a file lies in the future; it was left',
  export_truncated: () => 'the exporter cut a file short; rows are missing',
  archive_debt: ({ value }) => `applied files are not archived for ${minutes(value)}`,
};

/** Words of a message. */
export function messageOf(input: {
  readonly status: Message['status'];
  readonly dataset: string;
  readonly condition: Condition;
  readonly files: readonly (AlertFile | undefined)[];
  readonly repeated?: true;
}): Message {
  const { status, dataset, condition } = input;
  const { event, total, value } = condition;
  const files = input.files.filter((file) => file !== undefined);
  const [first] = files;
  const more = files.length > 1 ? ` and ${files.length - 1} more` : '';
  const which = first === undefined ? '' : `: ${first.key}${more}`;
  const what = status === 'firing' ? WORDS[event](condition) : `over: ${event}`;
  return {
    version: 1,
    event,
    status,
    dataset,
    at: new Date().toISOString(),
    summary: `${dataset}: ${what}${which}`,
    files,
    total,
    ...(value !== undefined && { value }),
    ...(input.repeated && { repeated: true }),
  };
}

function minutes(seconds = 0): string {
  return `${Math.round(seconds / 60)} minutes`;
}
