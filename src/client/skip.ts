import type { Command } from 'commander';
import { hashOf } from '../activities/listFiles.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { definitionOf } from '../datasets/definition.ts';
import { skippedKey, type ObjectKey } from '../domain/changeFile.ts';
import { classify, isLoad, type PageFacts } from '../domain/states.ts';
import { readPageFacts } from '../postgres/ledger.ts';
import { markMoved } from '../postgres/moved.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { lockDataset, recordSkip } from '../postgres/skip.ts';
import type { ObjectPage } from '../s3/objectStore.ts';
import { changeFileKey } from './changeFileKey.ts';
import { actsForAReason, confirm, reasonOf, type ActOptions } from './confirm.ts';
import { datasetNamed } from './datasetNamed.ts';
import { describeProblem, Problem } from './problem.ts';
import { withServers, type Servers } from './servers.ts';
import { counted, note, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** `skip` */
export function addSkip(program: Command): void {
  actsForAReason(
    program
      .command('skip')
      .summary('leave a file out for good, so that the dataset goes on')
      .description(
        'Records in the ledger that this content of the file is left out, settles its failure, and moves the object ' +
          'to skipped/. The watermark does not move. It holds for this content: other bytes under the same name are ' +
          'a new file. May be repeated: what is done is only said. Asks on a terminal alone.',
      )
      .argument('<dataset>')
      .argument('<key>', 'the file, by key or by bare name'),
  )
    .addHelpText(
      'after',
      "\nExample:\n  $ tidemark skip inc 2026-06-22T13-00-00.csv --reason 'cut off, exported again at 13:05'",
    )
    .action((name: string, text: string, options: ActOptions) =>
      withServers(async (servers) => {
        const dataset = datasetNamed(name);
        const reason = reasonOf(options);
        const key = changeFileKey(dataset, text);
        const seen = await lookAt(servers, dataset, key);
        const due = decide({ ...seen, dataset, key, facts: await factsOf(servers.db, dataset, key) });
        if (due.record) await confirm({ what: question(key, seen), yes: options.yes, unattended: 'goOn' });
        const done = await skip(servers, dataset, key, { reason, seen });
        if (options.json === true) printJson({ dataset: name, key, ...done });
        else printSkipped(key, done);
      }),
    );
}

/** What a skip did. */
interface Skipped {
  /** False where it was recorded before. */
  readonly recorded: boolean;
  readonly object: 'moved' | 'already' | 'missing' | 'gone' | 'left' | 'owed';
  /** Where the object lies. */
  readonly skippedTo?: ObjectKey;
}

/** What lies under the key before anybody is asked. */
interface Sight {
  /** A listing of this key alone. */
  readonly page: Listed;
  /** Whether it is an object that was uploaded again, under another ETag, and has the bytes that were applied. */
  readonly same: boolean;
}

async function lookAt(servers: Servers, dataset: Dataset, key: ObjectKey): Promise<Sight> {
  const page = await listKey(servers, key);
  return { page, same: await hasAppliedBytes(servers, dataset, key, page) };
}

async function listKey({ store }: Servers, key: ObjectKey): Promise<Listed> {
  // The key itself is the first of all that begin with it.
  const listed = await store().listPage({ prefix: key, limit: 1 });
  return { ...listed, objects: listed.objects.filter((object) => object.key === key) };
}

function question(key: ObjectKey, { page: { objects } }: Sight): string {
  const [object] = objects;
  if (!object) return `${printable(key)} is gone: its loss will be accepted.`;
  const content = `${counted(object.size, 'byte')}, ETag ${printable(object.etag)}`;
  return `${printable(key)}: the content that lies there, ${content}, will be left out for good.`;
}

/** @throws Problem where other content lies there than was seen, and asked about: nothing was done */
async function skip(
  servers: Servers,
  dataset: Dataset,
  key: ObjectKey,
  { reason, seen }: { readonly reason: string; readonly seen: Sight },
): Promise<Skipped> {
  const page = await listKey(servers, key);
  if (page.objects[0]?.etag !== seen.page.objects[0]?.etag) {
    throw new Problem(
      `${key} has other content now than you were asked about, or is gone: nothing was done. See it: tidemark status ${dataset.name}`,
    );
  }
  const { record, etag } = await servers.db.transaction(async (tx) => {
    await lockDataset(tx, dataset.name);
    const facts = await factsOf(tx, dataset, key);
    const decision = decide({ dataset, key, page, same: seen.same, facts });
    if (decision.record) {
      await recordSkip(tx, { dataset: dataset.name, key, etag: decision.etag, reason, who: whoActs() });
    }
    return decision;
  });
  if (dataset.shadowOf !== undefined) return { recorded: record, object: 'left' };
  if (etag === undefined) return { recorded: record, object: 'gone' };
  return { recorded: record, ...(await moveAside(servers, dataset, key, etag)) };
}

function printSkipped(key: ObjectKey, { recorded, object, skippedTo }: Skipped): void {
  print(`${printable(key)}: ${recorded ? 'skip recorded' : 'skipped before'}`);
  if (skippedTo !== undefined)
    print(`${object === 'moved' ? 'moved to' : 'lies in'} ${printable(skippedTo)}`);
  else if (object === 'left') print('left where it is: a shadow touches no object');
  else if (object === 'owed') print('not moved: the next run moves it');
  else if (object === 'missing' || recorded) print('the object is gone: nothing to move');
  else print('nothing is left to do');
}

function factsOf(db: Queryable, dataset: Dataset, key: ObjectKey): Promise<PageFacts> {
  return readPageFacts(db, {
    dataset: dataset.name,
    definition: definitionOf(dataset),
    keys: [key],
    range: { after: key, upTo: key },
  });
}

/** Whether an object that was uploaded again, under another ETag, has the bytes that were applied. */
async function hasAppliedBytes(
  servers: Servers,
  dataset: Dataset,
  key: ObjectKey,
  page: Listed,
): Promise<boolean> {
  const [file] = classify(dataset, page, await factsOf(servers.db, dataset, key));
  if (file?.appliedSha256 === undefined) return false;
  return (await hashOf(servers.store(), file)) === file.appliedSha256;
}

type Listed = Pick<ObjectPage, 'objects' | 'serverTime'>;

interface DecideInput extends Sight {
  readonly dataset: Dataset;
  readonly key: ObjectKey;
  readonly facts: PageFacts;
}

interface Decision {
  /** Whether the skip is still to be recorded. */
  readonly record: boolean;
  /** The content that is still to be moved, if any. */
  readonly etag: string | undefined;
}

/** @throws Problem where there is nothing to skip, or what would be skipped is in the table */
function decide({ dataset, key, page, same, facts }: DecideInput): Decision {
  const file = classify(dataset, page, facts).find((candidate) => candidate.key === key);
  const object = page.objects[0];
  if (!object) return decideGone(dataset, key, facts);
  if (file?.state === 'skipped') return { record: false, etag: object.etag };
  if (file?.state === 'applied' || (file?.state === 'changed' && same)) {
    throw new Problem(
      `${key} is applied: its rows are in the table, and a skip would not take them out. ` +
        (dataset.archive ? 'The next run archives it' : 'It stays where it is'),
    );
  }
  if (file?.state === 'covered') {
    throw new Problem(
      `${key} is covered by the adopted watermark: no run reads it, so there is nothing to skip`,
    );
  }
  return { record: true, etag: object.etag };
}

/** An object that is not there: lost, moved by an earlier skip, or never heard of. */
function decideGone(dataset: Dataset, key: ObjectKey, facts: PageFacts): Decision {
  if (facts.failures.length > 0) return { record: true, etag: undefined };
  const skipped = facts.ledger.find(({ exportType }) => exportType === 'skipped');
  if (skipped) return { record: false, etag: skipped.archived ? undefined : skipped.etag };
  if (facts.ledger.some(isLoad))
    throw new Problem(`${key} is applied and archived: there is nothing to skip`);
  throw new Problem(`${key} is neither listed nor refused. See what is: tidemark files ${dataset.name}`);
}

/** Moves what is skipped. What cannot be moved now the next run moves: said, and no failure. */
async function moveAside(
  servers: Servers,
  dataset: Dataset,
  key: ObjectKey,
  etag: string,
): Promise<Pick<Skipped, 'object' | 'skippedTo'>> {
  try {
    const moved = await servers.store().move({ from: key, to: skippedKey(dataset, key), etag });
    if (moved.outcome === 'missing') return { object: 'missing' };
    if (moved.outcome !== 'changed') {
      await markMoved(servers.db, { dataset: dataset.name, keys: [key], to: 'skipped' });
      return { object: moved.outcome, skippedTo: moved.key };
    }
  } catch (error) {
    note(`tidemark: recorded, and not moved: ${describeProblem(error, servers.config)}`);
    return { object: 'owed' };
  }
  throw new Problem(
    `${key}: the skip is recorded, and other content lies there since a moment ago: that one is not skipped. See it: tidemark status ${dataset.name}`,
  );
}
