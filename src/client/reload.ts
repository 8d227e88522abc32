import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { archiveKey, type ObjectKey } from '../domain/changeFile.ts';
import type { LedgerEntry } from '../domain/states.ts';
import { besideKey } from '../s3/move.ts';
import { actOnFile, addFileVerb, type FileToApply } from './applyFile.ts';
import type { ActOptions } from './confirm.ts';
import { lookAtFile, type FileLook } from './lookAtFile.ts';
import { Problem } from './problem.ts';
import type { Servers } from './servers.ts';

/** `reload` */
export function addReload(program: Command): void {
  addFileVerb(program, {
    name: 'reload',
    summary: 'load an applied file again: rows that are newer or as new win',
    description:
      'Loads an applied file once more: from changes/ where it lies there, with the same content or another ' +
      '(changed), else from processed/. A row of it is stored where its ticket is new, or where its version ' +
      'column is newer than the stored one or equal; the others are counted as stale. The watermark does not move.',
    example: "reload inc 2026-06-22T13-00-00.csv --reason 'exported again, regions mended' --yes",
    act: reload,
  });
}

async function reload(
  servers: Servers,
  dataset: Dataset,
  key: ObjectKey,
  options: ActOptions,
): Promise<void> {
  const look = await lookAtFile(servers, dataset, key);
  const object = await objectOf(servers, dataset, key, look);
  await actOnFile(servers, { dataset, key, mode: 'reload', reason: options.reason, object }, options);
}

/** Where the content to reload lies. @throws Problem where the file was never applied, or is nowhere */
async function objectOf(
  { store }: Servers,
  dataset: Dataset,
  key: ObjectKey,
  { file, etag, loaded }: FileLook,
): Promise<FileToApply['object']> {
  if (!loaded) throw new Problem(neverApplied(dataset, key, file?.state));
  if (file?.state === 'skipped') {
    throw new Problem(
      `${key}: the content that lies there is skipped; the next run moves it aside. Then reload takes the archived one`,
    );
  }
  if (etag !== undefined) return { key, etag };
  const prefix = archiveKey(dataset, key).replace(/csv(\.[^.]*)?$/, '');
  const { objects } = await store().listPage({ prefix, limit: 100 });
  const archived = pickArchived(dataset, key, objects, loaded);
  if (archived) return archived;
  throw new Problem(`${key} lies neither in changes/ nor in processed/: there is nothing to load again`);
}

/** Where several contents are archived under one stamp, the one applied last has its ETag in its name. */
function pickArchived<T extends { readonly key: ObjectKey }>(
  dataset: Dataset,
  key: ObjectKey,
  objects: readonly T[],
  { etag = '' }: LedgerEntry,
): T | undefined {
  const archive = archiveKey(dataset, key);
  const beside = besideKey(archive, etag);
  return (
    (etag === '' ? undefined : objects.find((object) => object.key === beside)) ??
    objects.find((object) => object.key === archive)
  );
}

function neverApplied(dataset: Dataset, key: ObjectKey, state: string | undefined): string {
  const next =
    state === 'late' || state === 'covered'
      ? `It is ${state}: tidemark apply-late ${dataset.name} ${key} --reason TEXT`
      : `See what is: tidemark files ${dataset.name}`;
  return `${key} was never applied, so there is nothing to load again. ${next}`;
}
