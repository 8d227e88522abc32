/** A dataset's files, merged anew in the order of the ledger, and compared with its table. */

import type { Dataset } from '../datasets/dataset.ts';
import { MAX_KEYS } from '../domain/listing.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { compareCopy, noteUnread, takeMoment, type TableComparison } from '../postgres/compareCopy.ts';
import { readHistory, type HistoricDeed } from '../postgres/history.ts';
import { mergeStaged } from '../postgres/mergeStaged.ts';
import type { Session } from '../postgres/pool.ts';
import { findRestart } from '../postgres/rebuildHistory.ts';
import { openRehearsal, rehearsalTable } from '../postgres/rehearse.ts';
import { bytesOf, contentOf, type FoundContent } from '../activities/contentOf.ts';
import { lookAhead } from '../activities/lookAhead.ts';
import { REPLAY_MODES, stageReplay } from '../activities/replayFile.ts';
import type { Servers } from './servers.ts';

/** Objects read at a time. */
const WIDTH = 8;

/** A copy that has grown by so many rows at once is looked at by the planner again: nobody analyses temporary tables. */
const MANY_ROWS = 1_000;

/** A file that could not be merged. */
export interface UnreadFile {
  readonly key: string;
  /** `refused`: by the dataset's present definition. */
  readonly why: 'gone' | 'altered' | 'refused';
}

/** What was found. */
export interface Verification extends TableComparison {
  readonly dataset: string;
  /** `equal`: all that can be judged is as the files have it, and all files were there. */
  readonly verdict: 'equal' | 'differs' | 'incomplete';
  /** Files that were merged. */
  readonly files: number;
  readonly unreadTotal: number;
  /** The first 100. */
  readonly unread: readonly UnreadFile[];
  /** Watermarks taken over from another loader. */
  readonly adopted: readonly string[];
}

/** What to verify, and how. */
export interface VerifyInput {
  readonly dataset: Dataset;
  readonly values: 'withheld' | 'shown';
  readonly onProgress: (done: number, total: number) => void;
}

/** Merges and compares, in temporary tables of one session. */
export async function verifyTable(servers: Servers, input: VerifyInput): Promise<Verification> {
  const { dataset, values, onProgress } = input;
  const store = servers.store();
  return servers.pool().withSession(undefined, async (session) => {
    const moment = await takeMoment(session, dataset);
    await openRehearsal(session, dataset);
    const replay = new Replay(servers, session, dataset);
    const restart = await findRestart(session, { dataset: dataset.name, upTo: moment.newest });
    const deeds = replay.loads(restart.after, moment.newest);
    const looks = lookAhead(deeds, WIDTH, async (deed) => ({
      deed,
      content: await contentOf(store, dataset, deed),
    }));
    let done = 0;
    for await (const { deed, content } of looks) {
      if (content.state === 'found') await replay.merge(deed, content);
      else await replay.leaveOut(deed, content.state);
      onProgress((done += 1), moment.deeds);
    }
    const { unread, unreadTotal, adopted } = replay;
    const compared = await compareCopy(session, {
      dataset,
      moment,
      adopted: adopted.length > 0 ? 'some' : 'none',
      unread: unreadTotal,
      lineage: restart.lineage,
      values,
    });
    const differs = compared.missing + compared.extra + compared.different > 0;
    const verdict = differs ? 'differs' : unreadTotal > 0 ? 'incomplete' : 'equal';
    const files = done - unreadTotal;
    return { dataset: dataset.name, verdict, files, ...compared, unreadTotal, unread, adopted };
  });
}

class Replay {
  readonly adopted: string[] = [];
  readonly unread: UnreadFile[] = [];
  unreadTotal = 0;
  private readonly servers: Servers;
  private readonly session: Session;
  private readonly dataset: Dataset;

  constructor(servers: Servers, session: Session, dataset: Dataset) {
    this.servers = servers;
    this.session = session;
    this.dataset = dataset;
  }

  /** The deeds that put rows into the table. */
  async *loads(after: number, upTo: number): AsyncGenerator<HistoricDeed, void> {
    for await (const deed of readHistory(this.servers.db, { dataset: this.dataset.name, after, upTo })) {
      if (deed.exportType === 'adopted') this.adopted.push(deed.watermark ?? deed.key);
      if (REPLAY_MODES[deed.exportType]) yield deed;
    }
  }

  async merge(deed: HistoricDeed, content: FoundContent): Promise<void> {
    const { session, dataset } = this;
    const { key } = deed;
    const chunks = await bytesOf(this.servers.store(), dataset, deed, content);
    const held = content.held !== undefined;
    const read = await stageReplay(session, { dataset, key, chunks, held }).catch(refusal);
    if (!read || read.reading.rejected > dataset.maxRejects) return this.leaveOut(deed, 'refused');
    const mode = REPLAY_MODES[deed.exportType] ?? 'inOrder';
    await mergeStaged(session, { dataset, key, mode, ...read, target: rehearsalTable(dataset) });
    if (read.staged > MANY_ROWS) await session.queryLong(`analyze ${rehearsalTable(dataset)}`);
  }

  async leaveOut({ key }: HistoricDeed, why: UnreadFile['why']): Promise<void> {
    this.unreadTotal += 1;
    if (this.unread.length < MAX_KEYS) this.unread.push({ key, why });
    await noteUnread(this.session, key);
  }
}

/** @throws what says nothing of the file */
function refusal(error: unknown): undefined {
  const refused =
    error instanceof TidemarkFailure && (error.kind === 'MalformedFile' || error.kind === 'SchemaMismatch');
  if (!refused) throw error;
}
