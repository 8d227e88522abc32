/** What the page shows, looked up at most once in a while, however many browsers ask. */

import type { Dataset } from '../../datasets/dataset.ts';
import type { Queryable } from '../../postgres/queryable.ts';
import {
  readRecentDeeds,
  readRecentRejects,
  type RecentDeed,
  type RecentReject,
} from '../../postgres/recent.ts';
import { readDatasetStatus, readOpenFailures, type DatasetStatus } from '../../postgres/status.ts';
import type { ListingServers } from '../liveListing.ts';
import { look, type Look } from '../status.ts';

/** Files in the chart; fewer of them stand in the table. */
const MAX_DEEDS = 60;
const MAX_REJECTS = 50;

/** A browser that asks while a look is under way gets it if it ends within this, else what was seen last. */
const PATIENCE_MS = 3_000;

/** What PostgreSQL alone knows of a dataset. */
export interface Ledger {
  readonly status: DatasetStatus | undefined;
  /** Newest first. */
  readonly deeds: readonly RecentDeed[];
  readonly rejects: readonly RecentReject[];
}

/** The last good answer of a source, and what has been wrong with it since. */
export interface Seen<T> {
  readonly value?: T;
  /** When the value was seen, milliseconds since the epoch. */
  readonly at?: number;
  /** Why the last look failed; absent where it did not. */
  readonly problem?: string;
}

/** Seconds since it was seen: what is counted in time has grown by them. */
export function agedBy({ at }: Seen<unknown>, now: number): number {
  return at === undefined ? 0 : (now - at) / 1000;
}

/** A dataset as seen last. */
export interface DatasetView {
  readonly dataset: Dataset;
  readonly ledger: Seen<Ledger>;
  readonly listing: Seen<Look>;
}

/** Keeps the last look. */
export interface Watch {
  /** The last look, a fresh one where it is due; waits at most a few seconds. */
  current(): Promise<readonly DatasetView[]>;
}

/**
 * Watches the datasets: one look at a time, and none before the last one is `everyMs` old.
 *
 * @param describe the message for an error, without secrets
 */
export function watch(
  servers: ListingServers,
  datasets: readonly Dataset[],
  { everyMs, describe }: { readonly everyMs: number; readonly describe: (error: unknown) => string },
): Watch {
  let views: readonly DatasetView[] = datasets.map((dataset) => ({ dataset, ledger: {}, listing: {} }));
  let lookedAt = -Infinity;
  let looking: Promise<void> | undefined;

  async function lookAgain(): Promise<void> {
    const next: DatasetView[] = [];
    for (const view of views) next.push(await lookAt(servers, view, describe));
    views = next;
    lookedAt = performance.now();
    looking = undefined;
  }

  return {
    async current() {
      if (performance.now() - lookedAt >= everyMs) {
        looking ??= lookAgain();
        await within(PATIENCE_MS, looking);
      }
      return views;
    },
  };
}

async function lookAt(
  servers: ListingServers,
  before: DatasetView,
  describe: (error: unknown) => string,
): Promise<DatasetView> {
  const { dataset } = before;
  const seeing = async <T>(last: Seen<T>, ask: () => Promise<T>): Promise<Seen<T>> => {
    try {
      return { value: await ask(), at: Date.now() };
    } catch (error) {
      return { ...last, problem: describe(error) };
    }
  };
  const ledger = await seeing(before.ledger, () => readLedger(servers.db, dataset.name));
  // Without the ledger a listing says nothing: PostgreSQL would only be waited for twice.
  const listing =
    ledger.problem === undefined
      ? await seeing(before.listing, async () =>
          look(servers, dataset, await readOpenFailures(servers.db, dataset.name)),
        )
      : { ...before.listing, problem: ledger.problem };
  return { dataset, ledger, listing };
}

async function readLedger(db: Queryable, dataset: string): Promise<Ledger> {
  return {
    status: await readDatasetStatus(db, dataset),
    deeds: await readRecentDeeds(db, { dataset, limit: MAX_DEEDS }),
    rejects: await readRecentRejects(db, { dataset, limit: MAX_REJECTS }),
  };
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}
