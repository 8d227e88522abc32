/** Applies one file beside the order of files, as a person decided: by the version column, the watermark unmoved. */

import type { Command } from 'commander';
import { loadLarge } from '../activities/loadJob.ts';
import { definitionOf } from '../datasets/definition.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { archiveKey, type ObjectKey } from '../domain/changeFile.ts';
import { isContent, TidemarkFailure } from '../domain/failures.ts';
import type { ApplyResult } from '../postgres/apply.ts';
import { markMoved } from '../postgres/moved.ts';
import { recordRefusal } from '../postgres/refusal.ts';
import type { Reject } from '../rows/row.ts';
import { changeFileKey } from './changeFileKey.ts';
import { actsForAReason, confirm, reasonOf, type ActOptions } from './confirm.ts';
import { datasetNamed } from './datasetNamed.ts';
import { describeProblem, Problem } from './problem.ts';
import { withServers, type Servers } from './servers.ts';
import { count, note, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** What is applied. */
export interface FileToApply {
  readonly dataset: Dataset;
  /** The change file's. */
  readonly key: ObjectKey;
  /** Where its content lies: under the key itself, or in the archive. */
  readonly object: { readonly key: ObjectKey; readonly etag: string };
  readonly mode: 'late' | 'reload';
  readonly reason: string;
}

type AppliedFile = Extract<ApplyResult, { readonly outcome: 'applied' }>;

/** Where an applied object is after that: archived, left where it is by rule, or for the next run to archive. */
interface Archived {
  readonly archive: 'archived' | 'left' | 'owed';
  readonly object: ObjectKey;
}

/** A verb that loads one file for a reason. */
interface FileVerb {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** What follows `tidemark` in its example. */
  readonly example: string;
  act(servers: Servers, dataset: Dataset, key: ObjectKey, options: ActOptions): Promise<void>;
}

/** Adds such a verb to the command line. */
export function addFileVerb(program: Command, { name, summary, description, example, act }: FileVerb): void {
  const command = program
    .command(name)
    .summary(summary)
    .description(description)
    .argument('<dataset>')
    .argument('<key>', 'the file, by key or by bare name');
  actsForAReason(command)
    .addHelpText('after', `\nExample:\n  $ tidemark ${example}`)
    .action((named: string, text: string, options: ActOptions) =>
      withServers(async (servers) => {
        const dataset = datasetNamed(named);
        const reason = reasonOf(options);
        await act(servers, dataset, changeFileKey(dataset, text), { ...options, reason });
      }),
    );
}

/** Asks, loads the file, archives it, and says so. */
export async function actOnFile(
  servers: Servers,
  input: FileToApply,
  { yes, json }: Pick<ActOptions, 'yes' | 'json'>,
): Promise<void> {
  const { dataset, key, object, mode } = input;
  const winners = mode === 'late' ? 'newer' : 'newer or as new';
  const what = `${printable(object.key)} will be loaded into tickets.${dataset.table}; only rows that are ${winners} win.`;
  await confirm({ what, yes, unattended: 'refuse' });
  const applied = await applyFile(servers, input);
  if (!applied) {
    throw new Problem(
      `${key} was dealt with by somebody else meanwhile. See it: tidemark files ${dataset.name}`,
    );
  }
  if (json !== true) printApplied(key, applied);
  const archived = await archiveApplied(servers, input);
  if (json !== true) return printArchived(archived);
  const { counts, watermark, seconds } = applied;
  printJson({
    dataset: dataset.name,
    key,
    from: object.key,
    applied: { exportType: mode, counts, watermark, seconds },
    ...archived,
  });
}

/**
 * Loads the file, all or nothing, behind the dataset's lock. Waits up to 30 s where a load holds it.
 *
 * @returns undefined where somebody else dealt with the file meanwhile
 * @throws TidemarkFailure where the content is refused; its rejects are kept, and nothing stops at it
 */
async function applyFile(servers: Servers, input: FileToApply): Promise<AppliedFile | undefined> {
  const { dataset, key, object, mode, reason } = input;
  const rejects: Reject[] = [];
  const job = {
    dataset,
    file: { key, etag: object.etag, mode },
    patience: 'bounded',
    provenance: { who: whoActs(), reason },
    open: () => servers.store().read(object),
  } as const;
  try {
    const result = await loadLarge({ pool: servers.pool() }, job, undefined, rejects);
    return result.outcome === 'applied' ? result : undefined;
  } catch (error) {
    throw error instanceof TidemarkFailure ? await told(servers, input, error, rejects) : error;
  }
}

async function told(
  servers: Servers,
  { dataset, key, object: { etag }, mode }: FileToApply,
  error: TidemarkFailure,
  rejects: readonly Reject[],
): Promise<Error> {
  if (error.kind === 'ObjectReplaced' || error.kind === 'FileVanished') {
    return new Problem(`${key} was replaced or removed a moment ago: nothing was applied. Try again`);
  }
  const place = { dataset: dataset.name, key };
  if (!isContent(error.kind)) return error.at(place);
  const { kind, what, details, next } = error.at(place);
  const failure = new TidemarkFailure(kind, what, details, `Nothing was applied. ${next}`);
  await recordRefusal(servers.pool(), {
    ...place,
    etag,
    failure,
    rejects,
    definition: definitionOf(dataset),
    resolution: mode === 'late' ? 'not applied' : 'not reloaded',
  });
  return failure;
}

/** Archives what was applied. What cannot be moved now the next run moves: said, and no failure. */
async function archiveApplied(servers: Servers, { dataset, key, object }: FileToApply): Promise<Archived> {
  if (object.key !== key) {
    await markMoved(servers.db, { dataset: dataset.name, keys: [key], to: 'processed' });
    return { archive: 'archived', object: object.key };
  }
  if (!dataset.archive) return { archive: 'left', object: key };
  try {
    const moved = await servers.store().move({ from: key, to: archiveKey(dataset, key), etag: object.etag });
    if (moved.outcome === 'moved' || moved.outcome === 'already') {
      await markMoved(servers.db, { dataset: dataset.name, keys: [key], to: 'processed' });
      return { archive: 'archived', object: moved.key };
    }
  } catch (error) {
    note(`tidemark: applied, and not archived: ${describeProblem(error, servers.config)}`);
  }
  return { archive: 'owed', object: key };
}

/** Says what was done with a file. */
function printApplied(key: ObjectKey, { exportType, counts, watermark }: AppliedFile): void {
  print(`${printable(key)}: applied as ${exportType}`);
  const rows = Object.entries(counts).map(([name, n]) => `${name} ${count(n as number)}`);
  print(`rows: ${rows.join(', ')}`);
  print(`watermark: ${printable(watermark)}, unmoved`);
}

/** Says where the object is. */
function printArchived({ archive, object }: Archived): void {
  if (archive === 'archived') print(`lies in ${printable(object)}`);
  else print(archive === 'left' ? 'left where it is' : 'not archived yet: the next run does it');
}
