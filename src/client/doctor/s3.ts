/** The checks of S3. */

import type { Config } from '../../config.ts';
import type { Dataset } from '../../datasets/dataset.ts';
import { createObjectStores, inBucketOf } from '../../s3/createObjectStores.ts';
import { probeConditions } from '../../s3/probe.ts';
import { probeRights } from '../../s3/rights.ts';
import { isLoopback, type Findings } from './finding.ts';

/** A person waits: one attempt, and little time for each answer. */
const IMPATIENT = { requestMs: 4_000, maxAttempts: 1, copyMs: 10_000 };
/** All of the probes together. */
const PROBES_MS = 20_000;

/** How far S3's clock is ahead of this machine's, milliseconds; it tells whole seconds. */
export interface S3Clock {
  aheadMs?: number;
  /** S3's clock, milliseconds since the epoch. */
  now?: number;
}

/** What is checked. */
export interface S3Checks {
  readonly config: Config;
  readonly datasets: readonly Dataset[];
  readonly clock: S3Clock;
}

/** Checks bucket, rights and conditions. Writes two scratch objects under `processed/`, and removes them. */
export async function checkS3({ config, datasets, clock }: S3Checks, findings: Findings): Promise<void> {
  const options = { ...config.s3, ...IMPATIENT };
  const store = createObjectStores(options, datasets);
  try {
    const [first] = datasets;
    const asked = Date.now();
    const { serverTime } = await store.listPage({ prefix: first?.changesPrefix ?? '', limit: 1 });
    // Its seconds are cut off: half of one is right on the average.
    clock.aheadMs = serverTime + 500 - (asked + Date.now()) / 2;
    clock.now = serverTime;
  } finally {
    store.destroy();
  }
  checkConnection(config, findings);
  const signal = AbortSignal.timeout(PROBES_MS);
  for (const dataset of datasets) await checkRights(config, options, dataset, signal, findings);
  const archiving = datasets.find(({ archive }) => archive);
  if (archiving)
    await checkConditions(inBucketOf(archiving, options), archiving.processedPrefix, signal, findings);
}

function checkConnection({ s3: { bucket, endpoint } }: Config, findings: Findings): void {
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const place = `bucket ${bucket}${url ? ` at ${url.host}` : ''}`;
  if (url?.protocol !== 'http:') findings.add('s3.connection', 'ok', `${place}, over TLS`);
  else if (isLoopback(url.hostname))
    findings.add('s3.connection', 'ok', `${place}, on this machine without TLS`);
  else {
    const mend = 'Use an https:// address in AWS_ENDPOINT_URL_S3';
    findings.add('s3.connection', 'warning', `${place}, without TLS: files can be read on the way`, mend);
  }
}

async function checkRights(
  config: Config,
  options: Config['s3'],
  dataset: Dataset,
  signal: AbortSignal,
  findings: Findings,
): Promise<void> {
  const check = `s3.rights.${dataset.name}`;
  const rights = await probeRights(inBucketOf(dataset, options), { dataset, signal });
  for (const { action, prefix, state, wanted } of rights) {
    if (state === 'denied' && wanted === 'yes') {
      const mend = `Allow it: the policy of docs/security.md, for the bucket ${inBucketOf(dataset, config.s3).bucket}`;
      findings.add(check, 'problem', `${action} is denied under ${prefix}`, mend);
    } else if (state === 'granted' && wanted === 'no') {
      const mend = 'The policy of docs/security.md is enough';
      findings.add(check, 'note', `${action} is allowed under ${prefix}, which nothing needs`, mend);
    }
  }
  if (findings.list.some((finding) => finding.check === check && finding.level === 'problem')) return;
  findings.add(check, 'ok', `the three prefixes of ${dataset.name} can be used as needed`);
}

/** What a store's way with a condition means for the files. */
const CONSEQUENCES = {
  read: 'GET If-Match: a file replaced after it was listed is noticed only by the ETag of the answer',
  copySource: 'COPY If-Match: a file replaced while it is archived may be archived as the loaded one',
  delete: 'DELETE If-Match: a file replaced at that moment is deleted unread',
  copyTarget: 'COPY If-None-Match: a foreign write into the archive at that moment is overwritten',
} as const;

async function checkConditions(
  options: Config['s3'],
  prefix: string,
  signal: AbortSignal,
  findings: Findings,
): Promise<void> {
  const check = 's3.conditions';
  const report = await probeConditions(options, { prefix, signal });
  let doubtful = false;
  for (const [name, consequence] of Object.entries(CONSEQUENCES)) {
    const state = report[name as keyof typeof CONSEQUENCES];
    if (state === 'honoured') continue;
    const what = `the server ${state === 'ignored' ? 'ignores' : 'refuses'} ${consequence}`;
    if (state === 'ignored' && name === 'copyTarget') findings.add(check, 'note', what);
    else {
      doubtful = true;
      const mend = 'Use a server that honours it, or let nobody replace objects in changes/';
      findings.add(check, state === 'ignored' ? 'warning' : 'problem', what, mend);
    }
  }
  if (!doubtful) findings.add(check, 'ok', 'conditional reads, copies and deletes are honoured');
}
