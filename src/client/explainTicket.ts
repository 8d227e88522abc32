/** Which files have a ticket, and what became of its rows: its history is done once more, in a copy that is forgotten. */

import type { Dataset } from '../datasets/dataset.ts';
import { compressionOf } from '../domain/changeFile.ts';
import type { FileState } from '../domain/states.ts';
import { readHistory, type HistoricDeed } from '../postgres/history.ts';
import type { MergeMode } from '../postgres/merge.ts';
import { mergeStaged } from '../postgres/mergeStaged.ts';
import type { Session } from '../postgres/pool.ts';
import { findRestart } from '../postgres/rebuildHistory.ts';
import { openRehearsal, rehearsalTable } from '../postgres/rehearse.ts';
import { stageFew } from '../postgres/stageFew.ts';
import { readTicketMoment, type Lineage } from '../postgres/ticket.ts';
import { readTicket, type FoundRecord, type TicketReading } from '../rows/readTicket.ts';
import type { ObjectStore } from '../s3/objectStore.ts';
import { bytesOf, contentOf, type Content } from '../activities/contentOf.ts';
import { listLive } from './liveListing.ts';
import { lookAhead } from '../activities/lookAhead.ts';
import type { Servers } from './servers.ts';

/** Objects looked through at a time: as many requests as a store bears from one command. */
const WIDTH = 8;

/** What became of a row of the ticket. */
export type RowDeed =
  | 'inserted'
  | 'updated'
  | 'unchanged'
  | 'superseded'
  | 'stale'
  | 'alarm'
  | 'sentinel'
  | 'rejected'
  | 'skipped'
  /** The file is listed, and not in the ledger with this content. */
  | 'not applied'
  /** Such a row, or one of a skipped file, would have met the table. */
  | 'merged';

/** A row of the ticket in a file. */
export interface TouchingRow {
  readonly key: string;
  /** What the ledger calls the file's deed; of one that is not applied its state. */
  readonly as: HistoricDeed['exportType'] | FileState;
  /** Where the object lies. */
  readonly at: string;
  readonly line: number;
  readonly deed: RowDeed;
  /** Of a row that is skipped or not applied: what a load would make of it. */
  readonly would: RowDeed | null;
  /** Why it is rejected. */
  readonly reason: string | null;
  readonly column: string | null;
  readonly importedAt: string | null;
}

/** A file that could not be looked through to its end. */
export interface UnreadFile {
  readonly key: string;
  readonly why: 'gone' | 'altered' | 'malformed';
  readonly line: number | null;
}

/** All that is known of a ticket. No value of a row is in it. */
export interface Explanation {
  readonly dataset: string;
  readonly ticketId: string;
  readonly filesRead: number;
  /** In the order in which the files were dealt with; files that are not applied last. */
  readonly rows: readonly TouchingRow[];
  readonly unread: readonly UnreadFile[];
  /** Watermarks taken over from another loader: what it did is not in the archive. */
  readonly adopted: readonly string[];
  readonly stored: {
    readonly sourceKey: string;
    readonly sourceLine: number;
    readonly loadedAt: string;
  } | null;
  /** Whether the stored row is the one that the files lead to; null where some could not be read. */
  readonly agrees: boolean | null;
}

/** What is to be looked through: a deed of the ledger, or a file that is not applied. */
interface Source extends Pick<HistoricDeed, 'key' | 'exportType' | 'etag' | 'sha256' | 'archived'> {
  readonly as: TouchingRow['as'];
  readonly importedAt: Date | null;
}

/** @param ticket trimmed, 1 to 1,000 bytes */
export async function explainTicket(
  servers: Servers,
  dataset: Dataset,
  ticket: string,
  onProgress: (done: number, total: number) => void,
): Promise<Explanation> {
  const store = servers.store();
  const { newest, deeds, stored } = await readTicketMoment(servers.db, dataset, ticket);
  const adopted: string[] = [];
  // A quote stands doubled in a quoted cell, and another encoding has other bytes: the reader alone looks for such an id.
  const words =
    ticket.includes('"') || (dataset.encoding ?? 'utf-8') !== 'utf-8' ? undefined : Buffer.from(ticket);
  return servers.pool().withSession(undefined, async (session) => {
    await openRehearsal(session, dataset);
    const story = new Story({ session, store, dataset, ticket: Buffer.from(ticket) });
    const sources = sourcesOf(servers, dataset, newest, adopted);
    const looks = lookAhead(sources, WIDTH, async (source) => ({
      source,
      content: await contentOf(store, dataset, source, { words }),
    }));
    let done = 0;
    for await (const { source, content } of looks) {
      const unsearched = words === undefined || compressionOf(source.key) !== 'none';
      await story.add(source, content, unsearched);
      onProgress((done += 1), Math.max(done, deeds));
    }
    const { rows, unread } = story;
    const { lineage } = await findRestart(session, { dataset: dataset.name, upTo: newest });
    const whole = unread.length === 0 && adopted.length === 0 && lineage === 'compared';
    const agrees = whole ? isSame(stored, story.last) : null;
    return {
      dataset: dataset.name,
      ticketId: ticket,
      filesRead: done - unread.length,
      rows,
      unread,
      adopted,
      stored: stored && { ...stored, loadedAt: stored.loadedAt.toISOString() },
      agrees,
    };
  });
}

async function* sourcesOf(
  servers: Servers,
  dataset: Dataset,
  upTo: number,
  adopted: string[],
): AsyncGenerator<Source, void> {
  for await (const deed of readHistory(servers.db, { dataset: dataset.name, upTo })) {
    if (deed.exportType === 'adopted') adopted.push(deed.watermark ?? deed.key);
    else if (deed.etag !== null) yield { ...deed, as: deed.exportType };
  }
  for await (const { files } of listLive(servers, dataset)) {
    for (const { key, state, etag } of files) {
      if (KNOWN.has(state)) continue;
      yield { key, as: state, etag, exportType: 'delta', sha256: null, archived: false, importedAt: null };
    }
  }
}

/** In the ledger, or nothing to be read. */
const KNOWN: ReadonlySet<FileState> = new Set(['applied', 'skipped', 'vanished', 'ignored']);

const LOADS: ReadonlySet<string> = new Set(['baseline', 'delta', 'late', 'reload']);

/** The ticket's rows, file by file. */
class Story {
  readonly rows: TouchingRow[] = [];
  readonly unread: UnreadFile[] = [];
  /** The row that the table then has. */
  last: { readonly key: string; readonly line: number } | undefined;
  private readonly input: {
    readonly session: Session;
    readonly store: ObjectStore;
    readonly dataset: Dataset;
    readonly ticket: Buffer;
  };

  constructor(input: Story['input']) {
    this.input = input;
  }

  async add(source: Source, content: Content, unsearched: boolean): Promise<void> {
    const { session, store, dataset, ticket } = this.input;
    const { key } = source;
    if (content.state !== 'found') return void this.unread.push({ key, why: content.state, line: null });
    if (!content.mentions && !unsearched) return;
    const chunks = await bytesOf(store, dataset, source, content);
    const reading = await readTicket({ dataset, key, chunks, zone: await session.zone(), ticket });
    const { fault, lastRow } = reading;
    if (fault) this.unread.push({ key, why: 'malformed', line: fault.details.line ?? null });
    const merged = LOADS.has(source.as) ? await this.merge(source, reading) : 'merged';
    if (lastRow !== undefined && (merged === 'inserted' || merged === 'updated')) {
      this.last = { key, line: lastRow };
    }
    for (const record of reading.records) {
      const { line, verdict } = record;
      const kept = line === lastRow ? merged : 'superseded';
      const becomes = verdict === 'row' ? kept : typeof verdict === 'object' ? 'rejected' : verdict;
      this.rows.push(rowOf(source, content.at, record, becomes));
    }
  }

  /** What became of the last row that is kept. */
  private async merge(source: Source, { block }: TicketReading): Promise<RowDeed> {
    if (!block) return 'unchanged';
    const { session, dataset } = this.input;
    const { rows } = block;
    const counts = await mergeStaged(session, {
      dataset,
      key: source.key,
      mode: MODES[source.exportType] ?? 'inOrder',
      reading: { ...NOTHING_READ, read: rows, sent: rows, mayRepeat: rows > 1 },
      staged: await stageFew(session, dataset, [block.bytes]),
      target: rehearsalTable(dataset),
    });
    return (['inserted', 'updated', 'stale'] as const).find((deed) => counts[deed] > 0) ?? 'unchanged';
  }
}

const MODES: Partial<Record<string, MergeMode>> = { late: 'late', reload: 'reload' };

const NOTHING_READ = {
  alarm: 0,
  sentinel: 0,
  rejected: 0,
  rejects: [],
  unknownColumns: [],
  unknownValues: {},
  nulled: {},
  bytes: 0,
  sha256: '',
} as const;

function rowOf(
  { key, as, importedAt }: Source,
  at: string,
  { line, verdict }: FoundRecord,
  becomes: RowDeed,
): TouchingRow {
  const refusal = typeof verdict === 'object' ? verdict : undefined;
  return {
    key,
    as,
    at,
    line,
    deed: LOADS.has(as) ? becomes : as === 'skipped' ? 'skipped' : 'not applied',
    would: LOADS.has(as) ? null : becomes,
    reason: refusal?.reason ?? null,
    column: refusal?.column ?? null,
    importedAt: importedAt?.toISOString() ?? null,
  };
}

function isSame(stored: Lineage | null, last: Story['last']): boolean {
  return stored?.sourceKey === last?.key && stored?.sourceLine === last?.line;
}
