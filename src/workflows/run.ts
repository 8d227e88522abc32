import { ApplicationFailure, patched, setCurrentDetails } from '@temporalio/workflow';
import type {
  ListedFile,
  ListFilesInput,
  ListFilesResult,
  LoadFileResult,
  MoveFilesResult,
} from '../activities/interface.ts';
import { compareKeys } from '../domain/changeFile.ts';
import { addCounts, NO_ROWS, type RowCounts } from '../domain/counts.ts';
import { addKeys, NOTHING_SEEN, type KeyList, type ListingSummary } from '../domain/listing.ts';
import { setAttributes } from './attributes.ts';
import { detailsTable, isPlain, type DetailsInput, type FileLine } from './details.ts';

/** What a run is started with: `{"dataset":"inc"}`. */
export interface IngestInput {
  readonly dataset: string;
  /** Set by continue-as-new alone: where the run before left off. */
  readonly carried?: Progress;
}

/** A run's report; lists of keys are cut at 100 with the total beside them. */
export interface IngestResult {
  readonly dataset: string;
  /** The newest change file applied. */
  readonly watermark: string | null;
  /** Files applied by this run. */
  readonly applied: number;
  /** Their rows. */
  readonly rows: RowCounts;
  readonly archived: number;
  /** Applied or skipped files that could not be moved; the next run takes them up. */
  readonly notMoved: KeyList;
  readonly late: KeyList;
  readonly changed: KeyList;
  readonly future: KeyList;
  readonly covered: number;
  readonly ignored: number;
}

interface Progress {
  readonly after?: string;
  readonly watermark?: string;
  readonly seen: ListingSummary;
  readonly applied: number;
  readonly archived: number;
  readonly rows: RowCounts;
  readonly notMoved: KeyList;
}

const NO_PROGRESS: Progress = {
  seen: NOTHING_SEEN,
  applied: 0,
  archived: 0,
  rows: NO_ROWS,
  notMoved: { total: 0, keys: [] },
};

/**
 * A run goes on as new after this many loads: its history stays under 1 MB, whatever is pending. Each time the last archive
 * is waited for, and a page is listed, while nothing loads.
 */
const LONG_RUN_LOADS = 1_000;
/** As it was before. */
const FORMER_RUN_LOADS = 500;

/** The newest files shown in the workflow's current details. */
const MAX_LINES = 30;

/** The books of one run: what it saw and did. No decisions are made here. */
export class Run {
  readonly dataset: string;
  #progress: Progress;
  #seenWithPage: ListingSummary = NOTHING_SEEN;
  #loadsHere = 0;
  #archives = true;
  #hasAttributes = false;
  #lines: readonly FileLine[] = [];
  #loading: readonly ListedFile[] = [];
  #stop: DetailsInput['stop'];

  constructor(input: IngestInput) {
    this.dataset = input.dataset;
    this.#progress = input.carried ?? NO_PROGRESS;
  }

  /** Whether applied files are moved. */
  get archives(): boolean {
    return this.#archives;
  }

  nextPage(limit: number): ListFilesInput {
    const { after, seen } = this.#progress;
    return { dataset: this.dataset, limit, seen, ...(after !== undefined && { after }) };
  }

  /** Takes note of a listing. Listing a page again replaces what it said. */
  sees(page: ListFilesResult): void {
    this.#seenWithPage = page.seen;
    this.#archives = page.archives;
    this.#hasAttributes = page.searchAttributes === true;
    this.#knows(page.watermark);
    this.#show();
  }

  turnsTo(page: ListFilesResult): void {
    const { next } = page;
    this.#progress = { ...this.#progress, seen: page.seen, ...(next !== undefined && { after: next }) };
  }

  /** What is known to be applied, for a load's input. */
  get known(): { readonly watermark?: string } {
    const { watermark } = this.#progress;
    return watermark === undefined ? {} : { watermark };
  }

  /** Where the server has search attributes, the run is found by its dataset and its watermark. */
  setAttributes(): void {
    if (this.#hasAttributes) setAttributes(this.dataset, this.#progress.watermark);
  }

  /** Takes note of files that are now being loaded. */
  loads(files: readonly ListedFile[]): void {
    this.#loading = files;
    this.#show();
  }

  /** Takes note of what ends the run before its time. */
  stops(error: unknown): void {
    this.#loading = [];
    const place: unknown = error instanceof ApplicationFailure ? error.details?.[0] : undefined;
    const key = (place as { readonly key?: unknown } | undefined)?.key;
    if (error instanceof ApplicationFailure && typeof key === 'string' && isPlain(key))
      this.#stop = { key, kind: error.type ?? 'failed' };
    this.#show();
  }

  /** Takes note of files and, in the same order, what became of them. */
  loaded(files: readonly ListedFile[], results: readonly LoadFileResult[]): void {
    this.#loadsHere += files.length;
    this.#loading = [];
    const lines = files.flatMap(({ key }, i) => (results[i] ? [{ key, result: results[i] }] : []));
    this.#lines = [...this.#lines, ...lines].slice(-MAX_LINES);
    for (const result of results) {
      if (result.outcome === 'already' || result.outcome === 'applied') this.#knows(result.watermark);
      if (result.outcome !== 'applied') continue;
      this.#progress = {
        ...this.#progress,
        applied: this.#progress.applied + 1,
        rows: addCounts(this.#progress.rows, result.counts),
      };
    }
    this.#show();
  }

  /**
   * Takes note of what is applied. A lower watermark is that of a ledger that went back in time: files that this run has seen
   * applied are forgotten, and perhaps archived. The next load finds that, and stops.
   */
  #knows(watermark: string | undefined): void {
    const known = this.#progress.watermark;
    if (watermark === undefined || (known !== undefined && compareKeys(watermark, known) <= 0)) return;
    this.#progress = { ...this.#progress, watermark };
  }

  moved({ moved, notMoved }: MoveFilesResult): void {
    this.#progress = { ...this.#progress, archived: this.#progress.archived + moved };
    this.notMoved(notMoved.map(({ key }) => key));
    this.#show();
  }

  notMoved(keys: readonly string[]): void {
    this.#progress = { ...this.#progress, notMoved: addKeys(this.#progress.notMoved, keys) };
  }

  isLong(): boolean {
    if (this.#loadsHere >= LONG_RUN_LOADS) return true;
    return this.#loadsHere >= FORMER_RUN_LOADS && !patched('goes-on-as-new-after-1000-loads');
  }

  carriedOn(): IngestInput {
    return { dataset: this.dataset, carried: this.#progress };
  }

  result(): IngestResult {
    const { watermark, applied, rows, archived, notMoved } = this.#progress;
    const { late, changed, future, covered, ignored } = this.#seenWithPage;
    return {
      dataset: this.dataset,
      watermark: watermark ?? null,
      applied,
      rows,
      archived,
      notMoved,
      late,
      changed,
      future,
      covered,
      ignored,
    };
  }

  #show(): void {
    const { applied, archived, watermark } = this.#progress;
    setCurrentDetails(
      detailsTable({
        done: this.#lines,
        loading: this.#loading,
        stop: this.#stop,
        seen: this.#seenWithPage,
        applied,
        archived,
        watermark,
      }),
    );
  }
}
