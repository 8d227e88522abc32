/** What somebody has to be told of a dataset, decided from PostgreSQL alone. The same words as the alert rules. */

import type { KeyList } from './listing.ts';

/** A dataset as PostgreSQL knows it now. Ages in seconds. */
export interface DatasetWatch {
  readonly dataset: string;
  readonly enabled: boolean;
  /** Since it was switched on, where it is. */
  readonly enabledFor: number;
  /** Since the export of the newest applied file started; `null` before the first. */
  readonly freshness: number | null;
  /** Since the last listing, or the last file that was applied: a long run lists and then applies; `null` before the first. */
  readonly checkAge: number | null;
  /** When that was. */
  readonly checkedAt: Date | null;
  /** Of the table, by the ledger. */
  readonly rows: number;
  readonly pending: number;
  readonly late: KeyList;
  readonly changed: KeyList;
  readonly future: KeyList;
  /** Whether the three lists are of a whole listing: one of several pages is noted page by page. */
  readonly listed: boolean;
  /** Refused files whose refusal is open, vanished ones among them. */
  readonly refused: readonly RefusedFile[];
  readonly failed: number;
  readonly vanished: number;
  /** Rows rejected in those files. */
  readonly rejected: number;
  /** A baseline that the exporter cut short, deltas that it cut short within a day; none that something has made up for. */
  readonly truncated: readonly { readonly key: string; readonly exportType: 'baseline' | 'delta' }[];
  readonly archiveDebt: number;
  /** Since the oldest of these was applied. */
  readonly archiveDebtAge: number;
}

/** A refused file: at most 100 of a dataset are known by name. */
export interface RefusedFile {
  readonly key: string;
  readonly etag: string;
  readonly kind: string;
  readonly line: number | null;
  readonly column: string | null;
}

/** What may be wrong. */
export type AlertEvent =
  | 'no_check'
  | 'exporter_silent'
  | 'stale'
  | 'no_first_file'
  | 'file_failed'
  | 'file_vanished'
  | 'file_late'
  | 'file_changed'
  | 'file_future'
  | 'export_truncated'
  | 'archive_debt';

/** From when on it is. The alert rules (monitoring/prometheus/tidemark.rules.yml) say the same. */
export interface AlertLimits {
  /** Times of the schedule that passed without a check. */
  readonly missedChecks: number;
  /**
   * Nothing new for so long, or nothing ever, is the exporter's silence; twice that is stale data, whatever the reason. Seconds.
   */
  readonly silentAfter: number;
  /** An applied file that is not archived for so long. Seconds. */
  readonly archiveAfter: number;
  /** What stands so long after the receiver did not take the message about it is told again. Seconds. */
  readonly repeatAfter: number;
}

/** The limits where nothing is set. */
export const ALERT_LIMITS: AlertLimits = {
  missedChecks: 3,
  silentAfter: 3_600,
  archiveAfter: 3_600,
  repeatAfter: 3_600,
};

/** A file that something is wrong with. */
export interface AlertFile {
  readonly key: string;
  readonly kind?: string;
  readonly line?: number;
  readonly column?: string;
}

/** One kind of trouble of one dataset. */
export interface Condition {
  readonly event: AlertEvent;
  /** By what each occurrence is told from the others; one empty subject where it is the dataset's. */
  readonly subjects: ReadonlyMap<string, AlertFile | undefined>;
  /** How many there are; more than subjects where the lists are cut. */
  readonly total: number;
  /** Whether subjects that are not among these are over. */
  readonly complete: boolean;
  /** Seconds or times, where the event has such a value. */
  readonly value?: number;
}

/** All conditions of a dataset, in the order of `AlertEvent`; those without subjects are not so at the moment. */
export function conditionsOf(
  watch: DatasetWatch,
  missedChecks: number,
  limits: AlertLimits,
): readonly Condition[] {
  const { enabled, freshness, refused, truncated, archiveDebtAge } = watch;
  const age = enabled ? (freshness ?? 0) : 0;
  const unfed = enabled && freshness === null ? watch.enabledFor : 0;
  const checking = missedChecks < limits.missedChecks;
  const idle = watch.pending === 0 && watch.failed + watch.vanished === 0;
  const vanished = refused.filter(({ kind }) => kind === 'FileVanished');
  const failed = refused.filter(({ kind }) => kind !== 'FileVanished');
  return [
    state('no_check', enabled && !checking, missedChecks),
    state('exporter_silent', checking && idle && age > limits.silentAfter, age),
    state('stale', age > 2 * limits.silentAfter, age),
    state('no_first_file', checking && unfed > limits.silentAfter, unfed),
    files('file_failed', failed.map(refusal), { total: watch.failed }),
    files('file_vanished', vanished.map(refusal), { total: watch.vanished }),
    listed('file_late', watch.late, watch.listed),
    listed('file_changed', watch.changed, watch.listed),
    listed('file_future', watch.future, watch.listed),
    files(
      'export_truncated',
      truncated.map(({ key, exportType }) => [key, { key, kind: exportType }]),
    ),
    state('archive_debt', archiveDebtAge > limits.archiveAfter, archiveDebtAge, watch.archiveDebt),
  ];
}

function state(event: AlertEvent, holds: boolean, value: number, total = 1): Condition {
  const subjects = new Map(holds ? [['', undefined]] : []);
  return { event, subjects, total: holds ? total : 0, complete: true, value: Math.round(value) };
}

function files(
  event: AlertEvent,
  entries: readonly (readonly [string, AlertFile])[],
  { total = entries.length, complete = true }: { total?: number; complete?: boolean } = {},
): Condition {
  // Of a cut list nothing can be said to be gone.
  return { event, subjects: new Map(entries), total, complete: complete && total === entries.length };
}

function listed(event: AlertEvent, { keys, total }: KeyList, complete: boolean): Condition {
  return files(
    event,
    keys.map((key) => [key, { key }]),
    { total, complete },
  );
}

function refusal({ key, etag, kind, line, column }: RefusedFile): readonly [string, AlertFile] {
  const place = { ...(line !== null && { line }), ...(column !== null && { column }) };
  return [`${key} ${etag}`, { key, kind, ...place }];
}
