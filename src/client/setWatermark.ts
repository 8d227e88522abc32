/** Moving the watermark forward by hand. */

import type { Dataset } from '../datasets/dataset.ts';
import { compareKeys, parseChangeFileName, type ObjectKey } from '../domain/changeFile.ts';
import { toChangeFileKey } from '../domain/keyForm.ts';
import { FUTURE_TOLERANCE_MS } from '../domain/states.ts';
import { hasRows, readWatermark, recordAdoption } from '../postgres/adopt.ts';
import { newestDeed } from '../postgres/progress.ts';
import { lockDataset } from '../postgres/skip.ts';
import { targetTable } from '../postgres/tables.ts';
import { confirm, NOT_CONFIRMED, type ActOptions } from './confirm.ts';
import { listLive } from './liveListing.ts';
import { Problem } from './problem.ts';
import type { Servers } from './servers.ts';
import { counted, print, printable, printJson } from './terminal.ts';
import { whoActs } from './whoActs.ts';

/** Files that would have to be loaded, were they not covered. */
const LEFT = new Set(['pending', 'settling', 'late', 'failed', 'vanished']);

/** Records an adoption. May be repeated: where the watermark is there already, that is only said. */
export async function setWatermark(
  servers: Servers,
  dataset: Dataset,
  text: string,
  { reason, yes, json, force }: ActOptions & { readonly force?: boolean },
): Promise<void> {
  const { db } = servers;
  const key = toChangeFileKey(dataset, text);
  if (key === undefined) {
    throw new Problem(
      `${printable(text)} names no change file of ${dataset.name}: YYYY-MM-DDTHH-mm-ss, with or without ${dataset.changesPrefix} and .csv (or .csv.gz, .csv.zst)`,
    );
  }
  const before = await readWatermark(db, dataset.name);
  if (before?.watermark === key) {
    if (json === true) return printJson({ dataset: dataset.name, watermark: key, before: key, covered: 0 });
    return print(`${printable(key)} is the watermark already, nothing to do`);
  }
  if (before) checkForward(dataset, before.watermark, key);
  await checkPast(servers, key, dataset);
  const seen = await newestDeed(db, dataset.name);
  const left = await leftBelow(servers, dataset, key);
  const risks = await risksOf(servers, dataset, { left, first: before === undefined });
  await askFor({ dataset, key, before: before?.watermark, risks, yes, force });
  await db.transaction(async (tx) => {
    await lockDataset(tx, dataset.name);
    if ((await newestDeed(tx, dataset.name)) !== seen) {
      throw new Problem(
        `a load came between: nothing was done. See where the watermark is: tidemark watermark show ${dataset.name}`,
      );
    }
    await recordAdoption(tx, { dataset, key, provenance: { who: whoActs(), reason } });
  });
  if (json === true) {
    return printJson({
      dataset: dataset.name,
      watermark: key,
      before: before?.watermark ?? null,
      covered: left.length,
    });
  }
  print(`watermark: ${printable(key)}, adopted`);
  if (left.length > 0) print(`${counted(left.length, 'file')} covered`);
}

/** @throws Problem where the key lies below the watermark */
function checkForward(dataset: Dataset, watermark: ObjectKey, key: ObjectKey): void {
  if (compareKeys(key, watermark) > 0) return;
  throw new Problem(
    `the watermark is ${watermark} and cannot be moved back: files between would be applied over newer rows. ` +
      `To load one again: tidemark reload ${dataset.name} KEY --reason TEXT`,
  );
}

/** @throws Problem where the stamp lies ahead of S3's clock: files of the time until then would be covered, unseen */
async function checkPast(servers: Servers, key: ObjectKey, dataset: Dataset): Promise<void> {
  const { serverTime } = await servers.store().listPage({ prefix: key, limit: 1 });
  const stamp = parseChangeFileName(dataset.changesPrefix, key)?.stamp ?? 0;
  if (stamp <= serverTime + FUTURE_TOLERANCE_MS) return;
  throw new Problem(`${key} lies ahead of S3's clock: every file until then would be covered, unseen`);
}

/** What would be covered although nobody loaded it. */
async function leftBelow(servers: Servers, dataset: Dataset, upTo: ObjectKey): Promise<readonly ObjectKey[]> {
  const left: ObjectKey[] = [];
  for await (const { files } of listLive(servers, dataset)) {
    for (const { key, state } of files) {
      if (compareKeys(key, upTo) > 0) return left;
      if (LEFT.has(state)) left.push(key);
    }
  }
  return left;
}

/** Sentences on what would be lost. */
async function risksOf(
  { db }: Servers,
  dataset: Dataset,
  { left, first }: { readonly left: readonly ObjectKey[]; readonly first: boolean },
): Promise<readonly string[]> {
  const risks: string[] = [];
  if (left.length > 0) {
    const ends = [...new Set([left.at(0), left.at(-1)])].map((key) => printable(key ?? '')).join(' … ');
    risks.push(`${counted(left.length, 'file')} not loaded by this ledger will be left for good: ${ends}`);
  }
  if (first && !(await hasRows(db, targetTable(dataset)))) {
    risks.push(`tickets.${dataset.table} is empty: later files will be applied without a baseline`);
  }
  return risks;
}

interface Asked {
  readonly dataset: Dataset;
  readonly key: ObjectKey;
  readonly before: ObjectKey | undefined;
  readonly risks: readonly string[];
  readonly yes: boolean | undefined;
  readonly force: boolean | undefined;
}

async function askFor({ dataset, key, before, risks, yes, force }: Asked): Promise<void> {
  const what = [
    `The watermark of ${dataset.name} will move from ${printable(before ?? 'none')} to ${printable(key)}.`,
    ...risks.map((risk) => `  - ${risk}`),
  ].join('\n');
  if (yes === true && force !== true && risks.length > 0) {
    throw new Problem(`${what}\nNothing was done. To do it all the same: --yes --force`, NOT_CONFIRMED);
  }
  await confirm({ what, yes, unattended: 'refuse' });
}
