import type { Command } from 'commander';
import { checkArchive } from '../activities/checkArchive.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { ClassifiedFile, FileState, KnownFailure } from '../domain/states.ts';
import { datasetNamed } from './datasetNamed.ts';
import { listLive } from './liveListing.ts';
import { Problem } from './problem.ts';
import { printPlan, printScan } from './printPlan.ts';
import { scan, type ScannedFile } from './scan.ts';
import { withServers, type Servers } from './servers.ts';
import { counted, note, printJson } from './terminal.ts';

/** What a run would do with a file. */
export type Deed =
  | 'load'
  | 'archive'
  | 'set aside'
  /** Another ETag than the applied one's: read, to archive the same bytes or leave others. */
  | 'compare'
  | 'leave'
  /** Too young for the dataset's settle time; the run ends here, without failing. */
  | 'wait'
  /** The run fails here. */
  | 'stop'
  | 'not reached';

/** A file and what a run would do with it. */
export interface PlannedFile {
  readonly key: string;
  readonly state: FileState;
  readonly would: Deed;
  readonly size: number;
  readonly etag: string;
  readonly failure: Pick<KnownFailure, 'kind' | 'line' | 'column' | 'message'> | null;
}

/** What a run would do. */
export interface Plan {
  readonly dataset: string;
  readonly watermark: string | null;
  /** Files that the run would load. */
  readonly loads: number;
  /** The file at which the run would stop, failing or waiting. */
  readonly stopsAt: string | null;
  /** All that is listed, in order, and vanished files where they belong. */
  readonly files: readonly PlannedFile[];
}

/** `plan` */
export function addPlan(program: Command): void {
  program
    .command('plan')
    .summary('what a run would do, without doing it')
    .description(
      'Lists every object with its state and what a run would do with it. With --scan it also reads each file that ' +
        'could be loaded and merges it, in order, into a copy that only this command sees: exact counts, rejected ' +
        'rows, unknown columns and values. It changes nothing and blocks no load. Where --scan finds a file that a ' +
        'run would refuse, the exit status is 1.',
    )
    .argument('<dataset>')
    .option('--scan', 'read and merge the files for real, and forget it')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark plan inc --scan')
    .action((name: string, options: { scan?: boolean; json?: boolean }) =>
      withServers(async (servers) => {
        const dataset = datasetNamed(name);
        const plan = await planOf(servers, dataset);
        const { db } = servers;
        await checkArchive({ store: servers.store(), db }, dataset, plan.watermark ?? undefined);
        if (options.scan !== true) return options.json === true ? printJson(plan) : printPlan(plan);
        const { files, disturbed } = await scan(servers, dataset, plan);
        const found = withRefusals(plan, files);
        if (options.json === true) printJson({ ...found, scan: files });
        else printScan(found, files);
        if (disturbed) note('a run applied files during the scan: the counts may be off; scan again');
        failWhereRefused(files);
      }),
    );
}

async function planOf(servers: Servers, dataset: Dataset): Promise<Plan> {
  const files: PlannedFile[] = [];
  let watermark: string | undefined;
  let stopsAt: string | null = null;
  for await (const page of listLive(servers, dataset)) {
    watermark = page.watermark;
    for (const file of page.files) {
      const would = deedOf(dataset, file);
      files.push(planned(file, stopsAt === null || would === 'leave' ? would : 'not reached'));
      if (would === 'stop' || would === 'wait') stopsAt ??= file.key;
    }
  }
  const loads = files.filter(({ would }) => would === 'load').length;
  return { dataset: dataset.name, watermark: watermark ?? null, loads, stopsAt, files };
}

function deedOf(dataset: Dataset, file: ClassifiedFile): Deed {
  switch (file.state) {
    case 'pending':
      return 'load';
    case 'late':
      return dataset.latePolicy === 'apply' ? 'load' : 'leave';
    case 'settling':
      return 'wait';
    case 'failed':
    case 'vanished':
      return 'stop';
    case 'skipped':
      return 'set aside';
    case 'applied':
      return dataset.archive ? 'archive' : 'leave';
    case 'changed':
      return file.appliedSha256 === undefined ? 'leave' : 'compare';
    case 'covered':
    case 'future':
    case 'ignored':
      return 'leave';
  }
}

function planned({ key, state, size, etag, failure }: ClassifiedFile, would: Deed): PlannedFile {
  if (!failure) return { key, state, would, size, etag, failure: null };
  const { kind, line, column, message } = failure;
  const known = {
    kind,
    message,
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
  };
  return { key, state, would, size, etag, failure: known };
}

/** The plan with what a scan found: the run would stop at the first file that it refuses. */
function withRefusals(plan: Plan, scanned: readonly ScannedFile[]): Plan {
  const failures = new Map(scanned.map(({ key, failure }) => [key, failure]));
  let stopsAt: string | null = null;
  const files = plan.files.map((file): PlannedFile => {
    const failure = failures.get(file.key) ?? file.failure;
    const stops: boolean = failure !== null || file.would === 'wait';
    const would = failure === null ? file.would : 'stop';
    const reached = stopsAt === null || would === 'leave';
    if (stops) stopsAt ??= file.key;
    return { ...file, failure, would: reached ? would : 'not reached' };
  });
  const loads = files.filter(({ would }) => would === 'load').length;
  return { ...plan, loads, stopsAt, files };
}

function failWhereRefused(files: readonly ScannedFile[]): void {
  const refused = files.filter(({ failure }) => failure !== null).length;
  if (refused > 0) throw new Problem(`${counted(refused, 'file')} would be refused`);
}
