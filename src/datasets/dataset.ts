/** What a dataset is: the shape of its files, its table and its rules. Plain data. */

/** The type of a stored column: decides the one pattern that its values must match (docs/semantics.md). */
export type ColumnType = (typeof COLUMN_TYPES)[number];

export const COLUMN_TYPES = [
  'text',
  'timestamptz',
  'date',
  'double precision',
  'numeric',
  'boolean',
] as const;

/** One stored column, of the same name in the file's header and in the table. */
export type Column = TextColumn | TypedColumn;

interface TextColumn {
  readonly type: 'text';
  /**
   * A text column's canonical values. A value is trimmed, its inner white space collapsed (with `separators` also
   * `_` and `-` as spaces), and matched without case; an unknown value is kept so, and counted.
   */
  readonly canonical?: { readonly values: readonly string[]; readonly separators: boolean };
  readonly onInvalid?: never;
}

interface TypedColumn {
  readonly type: Exclude<ColumnType, 'text'>;
  /** What a value that does not match does: refuse the row, or store NULL instead and count it. Default `reject`. */
  readonly onInvalid?: 'reject' | 'null';
  readonly canonical?: never;
}

/** How a file's text is written. `latin1` is ISO 8859-1, in which no byte is wrong. */
export type Encoding = (typeof ENCODINGS)[number];

export const ENCODINGS = ['utf-8', 'latin1', 'windows-1252', 'utf-16le'] as const;

/** A dataset's definition. */
export interface Dataset {
  readonly name: string;
  /** Whether it has a Schedule. */
  readonly enabled: boolean;
  /** Where its objects lie; default the configuration's `S3_BUCKET`. No other dataset has its prefixes, in any bucket. */
  readonly bucket?: string;
  /** What stands between two fields of its files: one ASCII character, no letter, digit, space or quote. Default `,`. */
  readonly delimiter?: string;
  /** How its files are written, compressed or not. Default `utf-8`. */
  readonly encoding?: Encoding;
  readonly changesPrefix: string;
  readonly processedPrefix: string;
  readonly skippedPrefix: string;
  /** The target table, schema `tickets`. */
  readonly table: string;
  /** The primary key: trimmed, 1 to 1,000 bytes. */
  readonly primaryKey: string;
  /** By which a row of a late or reloaded file wins or loses; a `timestamptz` column. */
  readonly versionColumn: string;
  /** All stored columns, the primary key among them, in the order of the table. */
  readonly columns: Readonly<Record<string, Column>>;
  /** The flag column whose true rows are dropped; never stored. Default none. */
  readonly alarmColumn?: string;
  /** Columns of the file that must be there and are not stored. */
  readonly droppedColumns: readonly string[];
  /** A row whose primary key starts so is the exporter's truncation sentinel. Default none. */
  readonly sentinel?: string;
  /** Rows that may be rejected before the file fails. */
  readonly maxRejects: number;
  /** The fewest rows (read) that a baseline has; 0 for none. */
  readonly minBaselineRows: number;
  /** What a late file gets. */
  readonly latePolicy: 'hold' | 'apply';
  /** A file younger than this by S3's clocks waits, milliseconds. */
  readonly settleMs: number;
  /** The dataset that this one shadows: then no object is touched, skipped ones neither. */
  readonly shadowOf?: string;
  /** Whether applied files are moved to `processed/`. */
  readonly archive: boolean;
  /**
   * Whether the transaction of each applied file sends `NOTIFY tidemark` (docs/downstream.md). Default no: PostgreSQL commits
   * transactions that notify one after the other.
   */
  readonly notifies?: boolean;
  /** Cron expression of the Schedule, in `timeZone`. */
  readonly cron: string;
  /** Zone of the stamps, of naive times and of the cron expression. */
  readonly timeZone: 'Africa/Nairobi';
}
