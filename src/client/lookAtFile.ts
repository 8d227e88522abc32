/** One file, as the listing and the ledger have it now. */

import { definitionOf } from '../datasets/definition.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { ObjectKey } from '../domain/changeFile.ts';
import { classify, isLoad, type ClassifiedFile, type LedgerEntry } from '../domain/states.ts';
import { readPageFacts } from '../postgres/ledger.ts';
import type { Servers } from './servers.ts';

/** What is known of it. */
export interface FileLook {
  /** Its state; undefined where nothing is listed and nothing is open. */
  readonly file: ClassifiedFile | undefined;
  /** Of the object under the key, undefined where there is none. */
  readonly etag: string | undefined;
  /** The newest deed that put rows of it into the table. */
  readonly loaded: LedgerEntry | undefined;
  readonly watermark: ObjectKey | undefined;
}

/** Looks at one change file. */
export async function lookAtFile(
  { store, db }: Servers,
  dataset: Dataset,
  key: ObjectKey,
): Promise<FileLook> {
  // The key itself is the first of all that begin with it.
  const listed = await store().listPage({ prefix: key, limit: 1 });
  const objects = listed.objects.filter((object) => object.key === key);
  const facts = await readPageFacts(db, {
    dataset: dataset.name,
    definition: definitionOf(dataset),
    keys: [key],
    range: { after: key, upTo: key },
  });
  const files = classify(dataset, { ...listed, objects }, facts);
  return {
    file: files.find((candidate) => candidate.key === key),
    etag: objects[0]?.etag,
    loaded: facts.ledger.find(isLoad),
    watermark: facts.watermark,
  };
}
