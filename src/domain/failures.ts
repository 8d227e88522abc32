/**
 * The failures that Tidemark reports, built from code, key, line and column only.
 *
 * No message of a foreign library is ever part of one: PostgreSQL's and csv-parse's messages quote row values, and a
 * failure ends in Temporal's history and in logs (docs/semantics.md).
 */

/** What failed; `final` kinds are never retried, and those of content are remembered by ETag. */
export type FailureKind = keyof typeof KINDS;

interface KindFacts {
  /** A retry of the same call can't help. */
  readonly final: boolean;
  /** It is the object's content that was refused: the dataset stops there until the object changes or is skipped. */
  readonly content: boolean;
}

const KINDS = {
  /** The bytes are no CSV of UTF-8 text: quoting, NUL, invalid byte, record too long, no header. */
  MalformedFile: { final: true, content: true },
  /** The header lacks a column or has one twice. */
  SchemaMismatch: { final: true, content: true },
  /** More rows were rejected than the dataset allows. */
  RowsRejected: { final: true, content: true },
  /** A baseline with fewer rows than the dataset asks for. */
  BaselineTooSmall: { final: true, content: true },
  /** PostgreSQL refused a value that our checks let through (SQLSTATE class 22 or 23). */
  ValueRefused: { final: true, content: true },
  /** An applied key has other content now: reported, left alone, compared once for each ETag. */
  FileChanged: { final: true, content: true },
  /** Listed as pending, gone when read, unknown to the ledger. */
  FileVanished: { final: true, content: false },
  /** PostgreSQL refuses the statement: permission, missing table or column, a limit (classes 42, 54 and other final ones). */
  PostgresRefused: { final: true, content: false },
  /** S3 refuses the request: permission, bucket, signature. */
  S3Refused: { final: true, content: false },
  /** The archive can't be written without destroying something. */
  ArchiveRefused: { final: true, content: false },
  /** The archive has a file above the watermark that the ledger does not know: PostgreSQL was taken back in time. */
  LedgerBehind: { final: true, content: false },
  /** A file that the ledger names is gone, or has other bytes than the ledger says: what it led to cannot be built anew. */
  ArchiveGap: { final: true, content: false },
  /** The named dataset does not exist. */
  UnknownDataset: { final: true, content: false },
  /** A call that can't be carried out as asked. */
  BadRequest: { final: true, content: false },
  /** Our own books do not balance: a bug, nothing was committed. */
  AccountingMismatch: { final: true, content: false },
  /** Our own code failed. */
  InternalError: { final: true, content: false },
  /** No connection, or it broke. */
  PostgresUnavailable: { final: false, content: false },
  /** Another load holds the dataset's row, or a deadlock or serialization failure. */
  PostgresBusy: { final: false, content: false },
  /** S3 can't be reached, or answers 5xx or SlowDown. */
  S3Unavailable: { final: false, content: false },
  /** No bytes for the stated time. */
  Stalled: { final: false, content: false },
  /** The object changed under our hands: list again. */
  ObjectReplaced: { final: false, content: false },
  /** The activity was cancelled. */
  Cancelled: { final: false, content: false },
} as const satisfies Record<string, KindFacts>;

/** Where and what, all of it fit for logs and histories. */
export interface FailureDetails {
  readonly dataset?: string;
  readonly key?: string;
  /** The object's ETag at the time, without quotes. */
  readonly etag?: string;
  /** The line on which the record begins, the header being line 1. */
  readonly line?: number;
  /** An expected column's name, or the ordinal of a column (`#7`) where it has none that is known. */
  readonly column?: string;
  /** SQLSTATE, csv-parse or S3 error code. */
  readonly code?: string;
  /** How many rows were rejected in all. */
  readonly rejected?: number;
}

/** A failure with all that an operator needs: what, where, and the next step. */
export class TidemarkFailure extends Error {
  override readonly name = 'TidemarkFailure';
  readonly kind: FailureKind;
  readonly details: FailureDetails;
  /** What is wrong, without the place. */
  readonly what: string;
  /** The next step, a sentence. */
  readonly next: string;

  /** @param what what is wrong, a clause without row values; place and next step are added to the message. */
  constructor(kind: FailureKind, what: string, details: FailureDetails = {}, next: string = NEXT[kind]) {
    super(sentence(what, details, next));
    this.kind = kind;
    this.what = what;
    this.details = details;
    this.next = next;
  }

  /** The same failure with more known about the place. */
  at(details: FailureDetails): TidemarkFailure {
    return new TidemarkFailure(this.kind, this.what, { ...details, ...this.details }, this.next);
  }
}

/** Whether a retry of the same call can't help. */
export function isFinal(kind: FailureKind): boolean {
  return KINDS[kind].final;
}

/** Whether the object's content was refused, so that reading it again is vain until it changes. */
export function isContent(kind: FailureKind): boolean {
  return KINDS[kind].content;
}

/** All kinds, for documentation and tests. */
export const FAILURE_KINDS = Object.keys(KINDS) as FailureKind[];

function sentence(what: string, details: FailureDetails, next: string): string {
  const place = [
    details.dataset,
    details.key,
    details.line === undefined ? undefined : `line ${details.line}`,
    details.column === undefined ? undefined : `column ${details.column}`,
  ].filter((part) => part !== undefined);
  const code = details.code === undefined ? '' : ` [${details.code}]`;
  const step = next
    .replaceAll('<dataset>', details.dataset ?? '<dataset>')
    .replaceAll('<key>', details.key ?? '<key>');
  return `${place.length > 0 ? `${place.join(' ')}: ` : ''}${what}${code}${step ? `. ${step}` : ''}`;
}

const MEND = 'Mend the object, or leave it out: tidemark skip <dataset> <key> --reason TEXT';
const RETRIES = 'It is retried; nothing is lost';

const NEXT: Record<FailureKind, string> = {
  MalformedFile: MEND,
  SchemaMismatch: `Where the exporter changed for good, change the dataset's definition and its table. Else: ${MEND}`,
  RowsRejected: `See them: tidemark rejects <dataset> <key>. ${MEND}`,
  BaselineTooSmall: MEND,
  ValueRefused: MEND,
  FileChanged:
    'Take the new content: tidemark reload <dataset> <key> --reason TEXT; or leave it out: tidemark skip <dataset> <key> --reason TEXT',
  FileVanished: 'Put the object back, or accept the loss: tidemark skip <dataset> <key> --reason TEXT',
  PostgresRefused:
    'Check the role, its grants and the migrations: tidemark migrate, as the owner of the tables',
  S3Refused: 'Check the bucket, the credentials and their policy',
  ArchiveRefused:
    'The loaded object is left in changes/. Look at all three, and rename one in processed/: the next run archives it',
  LedgerBehind:
    'PostgreSQL was restored to an earlier point, or somebody else put it there. Move it and all later ones back to changes/, or out of processed/',
  ArchiveGap:
    'Put the object with the bytes that were loaded back into processed/, and rebuild again; or begin with a later file that has all tickets: --from KEY',
  UnknownDataset: 'Name one of the datasets in src/datasets',
  BadRequest: '',
  AccountingMismatch: 'Nothing was committed; this is a defect of Tidemark, please report it',
  InternalError: 'This is a defect of Tidemark, please report it',
  PostgresUnavailable: RETRIES,
  PostgresBusy: RETRIES,
  S3Unavailable: RETRIES,
  Stalled: RETRIES,
  ObjectReplaced: 'The next listing takes the new content',
  Cancelled: 'What was not applied is taken up by the next run',
};
