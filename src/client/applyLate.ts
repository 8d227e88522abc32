import type { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import { compareKeys, type ObjectKey } from '../domain/changeFile.ts';
import { actOnFile, addFileVerb } from './applyFile.ts';
import type { ActOptions } from './confirm.ts';
import { lookAtFile, type FileLook } from './lookAtFile.ts';
import { Problem } from './problem.ts';
import type { Servers } from './servers.ts';
import { print, printable, printJson } from './terminal.ts';

/** `apply-late` */
export function addApplyLate(program: Command): void {
  addFileVerb(program, {
    name: 'apply-late',
    summary: 'load a late file: only rows that are newer win',
    description:
      'Loads a file that is late, or covered by an adopted watermark. A row of it is stored where its ticket is ' +
      'new, or where its version column is newer than the stored one; the others are counted as stale. The ' +
      'watermark does not move. May be repeated: what is done is only said.',
    example: "apply-late inc 2026-06-22T13-00-00.csv --reason 'landed an hour late' --yes",
    act: applyLate,
  });
}

async function applyLate(
  servers: Servers,
  dataset: Dataset,
  key: ObjectKey,
  options: ActOptions,
): Promise<void> {
  const look = await lookAtFile(servers, dataset, key);
  if (look.loaded?.exportType === 'late' && look.file?.state !== 'changed') {
    if (options.json === true) printJson({ dataset: dataset.name, key, applied: null });
    else print(`${printable(key)}: applied before as late, nothing to do`);
    return;
  }
  const object = { key, etag: lateEtag(dataset.name, key, look) };
  await actOnFile(servers, { dataset, key, mode: 'late', reason: options.reason, object }, options);
}

/** @returns the ETag of the content to apply @throws Problem where the file is none for this verb, with the one that is */
function lateEtag(dataset: string, key: ObjectKey, { file, etag, loaded, watermark }: FileLook): string {
  if (loaded) {
    throw new Problem(
      `${key} is applied (${loaded.exportType}). To load it again: tidemark reload ${dataset} ${key} --reason TEXT`,
    );
  }
  if (etag === undefined) throw new Problem(`${key} is not listed: there is nothing to load`);
  switch (file?.state) {
    case 'late':
    case 'covered':
      return etag;
    case 'failed':
      // The dataset's policy is to apply late files, and this one was refused.
      if (watermark !== undefined && compareKeys(key, watermark) <= 0) return etag;
      throw new Problem(
        `${key} is not late: it was refused, and the dataset stops there. Mend it, or skip it`,
      );
    case 'skipped':
      throw new Problem(
        `${key}: this content is skipped. To take it in after all, put it there with another ETag`,
      );
    case 'future':
      throw new Problem(`${key} is not late: its stamp lies ahead of S3's clock`);
    default:
      throw new Problem(`${key} is not late: a run loads it in order. Start one: tidemark start ${dataset}`);
  }
}
