import { InvalidArgumentError, type Command } from 'commander';
import type { Dataset } from '../datasets/dataset.ts';
import type { ClassifiedFile } from '../domain/states.ts';
import { nameOf } from '../domain/changeFile.ts';
import { readDeeds, type Deed } from '../postgres/deeds.ts';
import { datasetNamed } from './datasetNamed.ts';
import { listLive } from './liveListing.ts';
import { withServers, type Servers } from './servers.ts';
import { count, counted, localTime, print, printable, printJson, printTable } from './terminal.ts';

/** Deeds shown unless told. */
const DEFAULT_LIMIT = 20;

type UnappliedFile = Pick<ClassifiedFile, 'key' | 'state' | 'size'>;

/** `files` */
export function addFiles(program: Command): void {
  program
    .command('files')
    .summary('the ledger: what was done with each file, newest first')
    .description('Shows the newest rows of the ledger, and what is listed and not applied.')
    .argument('<dataset>')
    .option('--limit <n>', 'ledger rows to show', positive, DEFAULT_LIMIT)
    .option('--truncated', 'only files that the exporter cut short; the bucket is not listed')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ tidemark files inc --limit 5')
    .action((name: string, options: { limit: number; truncated?: boolean; json?: boolean }) =>
      withServers(async (servers) => {
        const dataset = datasetNamed(name);
        const which = options.truncated === true ? 'truncated' : 'all';
        const { deeds, total } = await readDeeds(servers.db, { dataset: name, limit: options.limit, which });
        const notApplied = which === 'all' ? await unapplied(servers, dataset) : [];
        if (options.json === true) printJson({ dataset: name, deeds, deedsTotal: total, notApplied });
        else printFiles(dataset, deeds, total, notApplied);
      }),
    );
}

/** @throws InvalidArgumentError, which is a usage error */
function positive(text: string): number {
  const n = Number(text);
  if (Number.isSafeInteger(n) && n > 0) return n;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}

async function unapplied(servers: Servers, dataset: Dataset): Promise<readonly UnappliedFile[]> {
  const found: UnappliedFile[] = [];
  for await (const { files } of listLive(servers, dataset)) {
    for (const { key, state, size } of files) if (state !== 'applied') found.push({ key, state, size });
  }
  return found;
}

function printFiles(
  { timeZone }: Dataset,
  deeds: readonly Deed[],
  total: number,
  notApplied: readonly UnappliedFile[],
): void {
  if (deeds.length > 0) {
    const numbers = ['READ', 'INSERTED', 'UPDATED', 'UNCHANGED', 'DROPPED', 'REJECTED'];
    printTable(
      [
        { title: 'FILE' },
        { title: 'TYPE' },
        ...numbers.map((title) => ({ title, align: 'right' as const })),
        { title: 'IMPORTED AT' },
        { title: 'ARCHIVED AT' },
        { title: 'REASON' },
      ],
      deeds.map((deed) => [
        printable(nameOf(deed.key)),
        deed.exportType + (deed.truncated ? ', truncated' : ''),
        ...[deed.read, deed.inserted, deed.updated, deed.unchanged].map(count),
        count(deed.alarm + deed.sentinel),
        count(deed.rejected),
        localTime(deed.importedAt, timeZone),
        localTime(deed.archivedAt, timeZone),
        deed.reason === null ? '' : printable(deed.reason),
      ]),
    );
  }
  print(`${counted(total, 'ledger row')}, ${count(deeds.length)} shown; times are of ${timeZone}`);
  if (notApplied.length === 0) return;
  print('\nlisted, not applied:');
  printTable(
    [{ title: 'STATE' }, { title: 'BYTES', align: 'right' }, { title: 'KEY' }],
    notApplied.map(({ key, state, size }) => [state, count(size), printable(key)]),
  );
}
