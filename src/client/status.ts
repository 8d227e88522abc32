import type { Command } from 'commander';
import { findForgotten } from '../activities/checkArchive.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { MAX_KEYS, NOTHING_SEEN, summarise, type KeyList, type ListingSummary } from '../domain/listing.ts';
import type { ClassifiedFile } from '../domain/states.ts';
import { readDatasetStatus, readOpenFailures, type OpenFailure } from '../postgres/status.ts';
import { datasetsNamed, switchedOff } from './datasetNamed.ts';
import { listLive, type ListingServers } from './liveListing.ts';
import { withServers, type Servers } from './servers.ts';
import { printStatus } from './printStatus.ts';
import { printJson } from './terminal.ts';

/** One dataset in `status --json`; lists are cut at 100 keys with the total beside them. */
export interface StatusReport {
  readonly dataset: string;
  readonly enabled: boolean;
  readonly watermark: string | null;
  readonly lastAppliedAt: string | null;
  readonly lastCheckedAt: string | null;
  /** Seconds since the watermark's export started. */
  readonly freshnessSeconds: number | null;
  readonly rows: number;
  readonly pending: readonly string[];
  readonly pendingTotal: number;
  readonly late: readonly string[];
  readonly lateTotal: number;
  readonly changed: readonly string[];
  readonly changedTotal: number;
  readonly future: readonly string[];
  readonly futureTotal: number;
  readonly failed: readonly FailedFile[];
  readonly failedTotal: number;
  /** An archived file that the ledger does not know: runs end with `LedgerBehind`. */
  readonly forgotten: string | null;
  readonly coveredTotal: number;
  readonly ignoredTotal: number;
  /** Applied files that still lie among the changes. */
  readonly archiveDebt: number;
  /** The exporter cut short what was applied last. */
  readonly truncated: boolean;
  /** A delta with nearly as many tickets as the table: the source may have been seeded again. */
  readonly looksLikeBaseline: string | null;
  /** A rebuild that has not ended: `asked`, `building`, or `compared`, which waits for an answer. */
  readonly rebuild: string | null;
}

/** A file at which the dataset stops. */
export interface FailedFile {
  readonly key: string;
  readonly kind: string;
  readonly line: number | null;
  readonly column: string | null;
  readonly since: string;
}

/** `status` */
export function addStatus(program: Command): void {
  program
    .command('status')
    .summary('what is applied, pending, late, changed or failed')
    .description('Lists the bucket and asks PostgreSQL; writes nothing and needs no Temporal.')
    .argument('[dataset]')
    .option('--json', 'print one JSON document')
    .addHelpText('after', "\nExample:\n  $ tidemark status inc --json | jq '.datasets[0].pendingTotal'")
    .action((name: string | undefined, options: { json?: boolean }) =>
      withServers(async (servers) => {
        const datasets = datasetsNamed(name);
        const reports: StatusReport[] = [];
        for (const dataset of datasets) reports.push(await report(servers, dataset));
        if (options.json === true) printJson({ datasets: reports });
        else printStatus(datasets, reports, name === undefined ? switchedOff() : []);
      }),
    );
}

async function report(servers: Servers, dataset: Dataset): Promise<StatusReport> {
  const status = await readDatasetStatus(servers.db, dataset.name);
  const failures = await readOpenFailures(servers.db, dataset.name);
  const { seen, failed, forgotten } = await look(servers, dataset, failures);
  return {
    dataset: dataset.name,
    enabled: dataset.enabled,
    watermark: status?.watermark ?? null,
    lastAppliedAt: status?.lastAppliedAt?.toISOString() ?? null,
    lastCheckedAt: status?.lastCheckedAt?.toISOString() ?? null,
    freshnessSeconds: status?.freshnessSeconds ?? null,
    rows: status?.rows ?? 0,
    ...cut('pending', seen.pending),
    ...cut('late', seen.late),
    ...cut('changed', seen.changed),
    ...cut('future', seen.future),
    failed: failed.slice(0, MAX_KEYS).map(toFailedFile),
    failedTotal: failed.length,
    forgotten,
    coveredTotal: seen.covered,
    ignoredTotal: seen.ignored,
    archiveDebt: status?.archiveDebt ?? 0,
    truncated: status?.truncated ?? false,
    looksLikeBaseline: status?.looksLikeBaseline ?? null,
    rebuild: status?.rebuild ?? null,
  };
}

/** A live listing of a dataset, and the refusals that still hold. */
export interface Look {
  readonly seen: ListingSummary;
  readonly failed: readonly OpenFailure[];
  /** An archived file that the ledger has forgotten: every run ends with `LedgerBehind`, and applies nothing. */
  readonly forgotten: string | null;
}

/** Lists, and keeps the failures that still hold: an object that has other content now is no failure any more. */
export async function look(
  servers: ListingServers,
  dataset: Dataset,
  failures: readonly OpenFailure[],
): Promise<Look> {
  let seen = NOTHING_SEEN;
  const newest = new Map<string, OpenFailure>();
  for (const failure of failures) if (!newest.has(failure.key)) newest.set(failure.key, failure);
  const mended = new Set<string>();
  let newestApplied: string | undefined;
  for await (const { files, watermark } of listLive(servers, dataset)) {
    newestApplied = watermark;
    seen = summarise(seen, files, dataset.latePolicy);
    for (const file of files) if (isMended(file)) mended.add(file.key);
  }
  const { db } = servers;
  const forgotten = (await findForgotten({ store: servers.store(), db }, dataset, newestApplied)) ?? null;
  return { seen, failed: [...newest.values()].filter(({ key }) => !mended.has(key)), forgotten };
}

function isMended({ state }: ClassifiedFile): boolean {
  return state !== 'failed' && state !== 'vanished';
}

function toFailedFile({ key, kind, line, column, since }: OpenFailure): FailedFile {
  return { key, kind, line, column, since: since.toISOString() };
}

function cut<Name extends string>(
  name: Name,
  { keys, total }: KeyList,
): Record<Name, readonly string[]> & Record<`${Name}Total`, number> {
  // A computed name gives TypeScript an index signature; the two names are these.
  return { [name]: keys, [`${name}Total`]: total } as Record<Name, readonly string[]> &
    Record<`${Name}Total`, number>;
}
