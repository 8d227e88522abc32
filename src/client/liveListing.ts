/** The state of a dataset's objects right now: read only, nothing is noted. */

import type { Dataset } from '../datasets/dataset.ts';
import { definitionOf } from '../datasets/definition.ts';
import { goOnAfter } from '../domain/changeFile.ts';
import { classify, type ClassifiedFile } from '../domain/states.ts';
import { readPageFacts } from '../postgres/ledger.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { ObjectStore } from '../s3/objectStore.ts';

/** The most that S3 lists in one answer. */
const PAGE_SIZE = 1_000;

/** What a listing is taken from. */
export interface ListingServers {
  readonly db: Queryable;
  store(): ObjectStore;
}

/** One page of a listing, its files in order of the keys. */
export interface LivePage {
  readonly files: readonly ClassifiedFile[];
  readonly watermark: string | undefined;
}

/** Lists all pages. A file that was uploaded again is `changed` here until a run has compared its bytes. */
export async function* listLive(servers: ListingServers, dataset: Dataset): AsyncGenerator<LivePage, void> {
  const store = servers.store();
  let after: string | undefined;
  do {
    const page = await store.listPage({
      prefix: dataset.changesPrefix,
      folded: true,
      ...(after !== undefined && { after }),
      limit: PAGE_SIZE,
    });
    const next = goOnAfter(dataset.changesPrefix, page.next);
    const facts = await readPageFacts(servers.db, {
      definition: definitionOf(dataset),
      dataset: dataset.name,
      keys: page.objects.map(({ key }) => key),
      range: { after, upTo: next },
    });
    yield { files: classify(dataset, page, facts), watermark: facts.watermark };
    after = next;
  } while (after !== undefined);
}
