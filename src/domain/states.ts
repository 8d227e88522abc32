/**
 * The state of each object in a listing, decided from the listing *and* the database, never from the watermark
 * alone (docs/semantics.md): a file that lands late is seen, not lost.
 */

import { compareKeys, parseChangeFileName, type ObjectKey } from './changeFile.ts';
import { TidemarkFailure, type FailureDetails, type FailureKind } from './failures.ts';

/** An object of the listing. */
export interface SeenObject {
  readonly key: ObjectKey;
  readonly size: number;
  readonly etag: string;
  readonly lastModified: number;
}

/** A deed that the ledger holds of a key. */
export interface LedgerEntry {
  readonly key: ObjectKey;
  /** `skipped` entries hold for one content only; all others mean that rows of this key are in the table. */
  readonly exportType: 'baseline' | 'delta' | 'late' | 'reload' | 'skipped' | 'adopted' | 'rebuilt';
  /** Of the content dealt with; absent where a vanished file was skipped. */
  readonly etag?: string;
  readonly sha256?: string;
  readonly archived: boolean;
}

/** An open failure of `tickets.import_failures`. */
export interface KnownFailure extends FailureDetails {
  readonly key: ObjectKey;
  readonly etag: string;
  readonly kind: FailureKind;
  /** Our own sentence, without row values. */
  readonly message: string;
  /** The dataset's definition has changed since: the content may be tried again. */
  readonly outdated?: boolean;
}

/** What the database knows about the keys of one page. */
export interface PageFacts {
  /** The newest change file applied, absent before the first. */
  readonly watermark?: ObjectKey;
  /** Up to this key another loader had applied everything. */
  readonly adoptedUpTo?: ObjectKey;
  /** At most two entries a key: the latest that put rows into the table (or adopted them), the latest skip. */
  readonly ledger: readonly LedgerEntry[];
  readonly failures: readonly KnownFailure[];
  /** Contents that were found to have this SHA-256 under another ETag. */
  readonly same: readonly { readonly key: ObjectKey; readonly etag: string; readonly sha256: string }[];
}

/** The dataset's rules that bear on states. */
export interface StateRules {
  readonly changesPrefix: string;
  readonly latePolicy: 'hold' | 'apply';
  readonly settleMs: number;
  readonly archive: boolean;
}

/** A stamp this far beyond S3's own clock makes its file `future`. */
export const FUTURE_TOLERANCE_MS = 60 * 60 * 1000;

/** The states; `settling` is a pending file that still waits, `skipped` an object whose move to `skipped/` is due. */
export type FileState =
  | 'pending'
  | 'settling'
  | 'applied'
  | 'changed'
  | 'late'
  | 'covered'
  | 'future'
  | 'failed'
  | 'vanished'
  | 'skipped'
  | 'ignored';

/** An object with its state. */
export interface ClassifiedFile {
  readonly key: ObjectKey;
  readonly state: FileState;
  readonly size: number;
  /** Of the listed object; of the recorded content where nothing is listed. */
  readonly etag: string;
  /** The open failure of a `failed` or `vanished` file. */
  readonly failure?: KnownFailure;
  /**
   * Set where the ledger knows the key with another ETag and nobody compared the SHA-256 yet: the state is `changed`
   * until the content is read and found to be this.
   */
  readonly appliedSha256?: string;
}

/**
 * Classifies one page of a listing, in order of the keys.
 *
 * @param page.objects the page's objects
 * @param page.serverTime S3's clock, milliseconds since the epoch
 * @param facts must hold the latest ledger entry and the open failures of every key of the page's range, listed or
 * not: vanished files and archived objects whose `archived_at` is still open are in no listing.
 */
export function classify(
  rules: StateRules,
  page: { readonly objects: readonly SeenObject[]; readonly serverTime: number },
  facts: PageFacts,
): readonly ClassifiedFile[] {
  const ledger = new Map<ObjectKey, LedgerEntry[]>();
  for (const entry of facts.ledger) ledger.set(entry.key, [...(ledger.get(entry.key) ?? []), entry]);
  const listed = new Set(page.objects.map((object) => object.key));
  const files = page.objects.map((object) =>
    classifyObject(rules, object, page.serverTime, facts, ledger.get(object.key) ?? []),
  );
  const unlisted = [
    ...vanished(rules, facts, listed),
    ...facts.ledger
      .filter((entry) => !listed.has(entry.key) && owesArchive(rules, entry))
      .map((entry) => ({ key: entry.key, state: 'applied', size: 0, etag: entry.etag ?? '' }) as const),
  ];
  return [...files, ...unlisted].sort((a, b) => compareKeys(a.key, b.key));
}

/**
 * Files that are in no listing and were never applied: gone when they were to be read, or refused and then removed. Later
 * files build on them. One failure a key is enough.
 */
function vanished(
  { latePolicy }: StateRules,
  { failures, watermark, adoptedUpTo }: PageFacts,
  listed: ReadonlySet<ObjectKey>,
): readonly ClassifiedFile[] {
  const open = failures.filter(({ key, kind }) => {
    // A late one that is held is nothing that later files build on; one that is applied is pending until it is dealt with.
    const isUpTo = (mark: ObjectKey | undefined): boolean =>
      mark !== undefined && compareKeys(key, mark) <= 0;
    const awaited = !isUpTo(watermark) || (latePolicy === 'apply' && !isUpTo(adoptedUpTo));
    return !listed.has(key) && (kind === 'FileVanished' || (kind !== 'FileChanged' && awaited));
  });
  return [...new Map(open.map((failure) => [failure.key, failure])).values()].map((failure) => ({
    key: failure.key,
    state: 'vanished',
    size: 0,
    etag: failure.etag,
    failure: failure.kind === 'FileVanished' ? failure : removed(failure),
  }));
}

function removed({ dataset, key, etag }: KnownFailure): KnownFailure {
  const place = { ...(dataset !== undefined && { dataset }), key, etag };
  const { message } = new TidemarkFailure(
    'FileVanished',
    'this file was refused, and its object is gone',
    place,
  );
  return { ...place, kind: 'FileVanished', message };
}

function owesArchive(rules: StateRules, entry: LedgerEntry): boolean {
  return rules.archive && isLoad(entry) && !entry.archived && entry.etag !== undefined;
}

/** Whether a deed put rows of this very object into the table. */
export function isLoad(entry: LedgerEntry): boolean {
  return !['skipped', 'adopted', 'rebuilt'].includes(entry.exportType);
}

function classifyObject(
  rules: StateRules,
  object: SeenObject,
  serverTime: number,
  facts: PageFacts,
  entries: readonly LedgerEntry[],
): ClassifiedFile {
  const file = { key: object.key, size: object.size, etag: object.etag };
  const name = parseChangeFileName(rules.changesPrefix, object.key);
  if (!name) return { ...file, state: 'ignored' };

  const skipped = entries.some((e) => e.exportType === 'skipped' && e.etag === object.etag);
  if (skipped) return { ...file, state: 'skipped' };
  const loaded = entries.find(isLoad);
  if (loaded) return { ...file, ...compareContent(loaded, object, facts) };

  if (name.stamp > serverTime + FUTURE_TOLERANCE_MS) return { ...file, state: 'future' };
  if (facts.adoptedUpTo !== undefined && compareKeys(object.key, facts.adoptedUpTo) <= 0) {
    return { ...file, state: 'covered' };
  }
  const late = facts.watermark !== undefined && compareKeys(object.key, facts.watermark) <= 0;
  const failure = facts.failures.find(
    (f) => f.kind !== 'FileVanished' && f.outdated !== true && sameContent(f, object),
  );
  if (failure && !(late && rules.latePolicy === 'hold')) return { ...file, state: 'failed', failure };
  if (late) return { ...file, state: 'late' };
  // S3's Date counts whole seconds and may lie before a last-modified time: no settle time means no comparison.
  const young = rules.settleMs > 0 && serverTime - object.lastModified < rules.settleMs;
  if (young) return { ...file, state: 'settling' };
  return { ...file, state: 'pending' };
}

function compareContent(
  loaded: LedgerEntry,
  object: SeenObject,
  facts: PageFacts,
): Pick<ClassifiedFile, 'state' | 'appliedSha256'> {
  if (loaded.etag === object.etag) return { state: 'applied' };
  const same = facts.same.some(({ sha256, ...of }) => sha256 === loaded.sha256 && sameContent(of, object));
  if (same) return { state: 'applied' };
  const compared = facts.failures.some((f) => f.kind === 'FileChanged' && sameContent(f, object));
  if (compared || loaded.sha256 === undefined) return { state: 'changed' };
  return { state: 'changed', appliedSha256: loaded.sha256 };
}

function sameContent(known: Pick<KnownFailure, 'key' | 'etag'>, object: SeenObject): boolean {
  return known.key === object.key && known.etag === object.etag;
}
