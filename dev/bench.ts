/** `npm run bench`: what a load costs, beside what PostgreSQL itself and other importers need for the same. */

import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { smallDeltas } from './bench/backlog.ts';
import { judged, SECTIONS, type Figure, type SectionName } from './bench/figure.ts';
import { openGround, type Ground } from './bench/ground.ts';
import { nothingPending } from './bench/idle.ts';
import { explainLoads, profileLoads } from './bench/inspect.ts';
import { againstPeers, againstPsql, type SectionInput } from './bench/loads.ts';
import { describeMachine, version } from './bench/machine.ts';
import { memoryAndSize } from './bench/memory.ts';
import { printed, toJson, toMarkdown, type Report } from './bench/report.ts';
import { createTheirs } from './bench/tables.ts';
import { interruption, INTERRUPTED } from './interruption.ts';
import { BASELINE_ROWS } from './sample/stream.ts';

interface Options {
  readonly smoke?: true;
  readonly peers?: true;
  readonly only?: readonly SectionName[];
  readonly runs: number;
  readonly scale?: readonly number[];
  readonly directory: string;
  readonly json?: string;
  readonly markdown?: string;
  readonly profile?: string;
  readonly explain?: true;
}

/** Rows of a file at scale 1 in a smoke run. */
const SMOKE_ROWS = 1_000;
/** Files of the backlog. */
const BACKLOG = 1_000;
const SMOKE_BACKLOG = 60;

const interrupt = interruption();
const options = new Command('npm run bench --')
  .description('Measures what a load costs, on embedded real servers, beside psql and other importers.')
  .option('--smoke', 'small sizes, one run: shows that it works, says nothing of speed')
  .option('--only <sections>', `which of ${Object.keys(SECTIONS).join(', ')}; default all`, sections)
  .option('--runs <n>', 'how often each is measured', wholeNumber, 5)
  .option(
    '--scale <sizes>',
    'sizes of files, in baselines of 34,849 rows; default 1,10 and 50 for memory',
    sizes,
  )
  .option('--peers', "section b also with dlt and sling: installs them in the user's cache, 300 MB")
  .option('--directory <path>', 'where the servers and files lie: on a disk', tmpdir())
  .option('--json <file>', 'writes all figures, with their samples')
  .option('--markdown <file>', 'writes the table as Markdown')
  .option(
    '--profile <directory>',
    'instead of all that: writes CPU profiles of loads, prints where the time went',
  )
  .option('--explain', 'instead of all that: prints the plans of loads, as PostgreSQL explains them')
  .parse()
  .opts<Options>();

process.exit(await main().catch(complain));

/** @returns the exit status: 0 where it is through, whatever it found. */
async function main(): Promise<number> {
  const { directory } = options;
  const ground = await openGround({ directory, signal: interrupt, onProgress: say });
  try {
    await createTheirs(ground);
    if (options.profile !== undefined || options.explain) await inspect(ground);
    else await write(await measure(ground));
    return 0;
  } finally {
    await ground.close();
  }
}

async function write(report: Report): Promise<void> {
  process.stdout.write(`\n${printed(report)}\n`);
  if (options.json !== undefined) await writeFile(options.json, toJson(report));
  if (options.markdown !== undefined) await writeFile(options.markdown, toMarkdown(report));
}

async function inspect(ground: Ground): Promise<void> {
  const input = inputOf(ground);
  const scale = Math.max(...input.scales);
  if (options.profile !== undefined) {
    process.stdout.write(`\n${await profileLoads(input, scale, options.profile)}\n`);
  }
  if (options.explain) process.stdout.write(`\n${await explainLoads(input, scale)}\n`);
}

function inputOf(ground: Ground): SectionInput {
  const runs = options.smoke ? 1 : options.runs;
  const unit = options.smoke ? SMOKE_ROWS : BASELINE_ROWS;
  return { ground, unit, scales: options.scale ?? [1, 10], runs, say };
}

async function measure(ground: Ground): Promise<Report> {
  const smoke = options.smoke ?? false;
  const input = inputOf(ground);
  const figures: Figure[] = [];
  const notes: string[] = [];
  for (const name of options.only ?? (Object.keys(SECTIONS) as SectionName[])) {
    say(`section ${name}: ${SECTIONS[name]}`);
    const found = await section(name, input);
    if (typeof found === 'string') notes.push(`Section ${name} was left out: ${found}.`);
    else figures.push(...found);
  }
  return {
    figures: figures.map((figure) => judged(figure, !smoke)),
    machine: await describeMachine(ground),
    notes,
    runs: input.runs,
    smoke,
  };
}

/** @returns what was found, or why nothing was */
async function section(name: SectionName, input: SectionInput): Promise<Figure[] | string> {
  switch (name) {
    case 'a':
      return (await version('psql')) ? againstPsql(input) : 'there is no psql on PATH';
    case 'b':
      return (await version('python3'))
        ? againstPeers(input, options.peers ?? false)
        : 'there is no python3 on PATH';
    case 'c':
      return smallDeltas({ ...input, backlog: options.smoke ? SMOKE_BACKLOG : BACKLOG });
    case 'd':
      return (
        (await memoryAndSize({
          ...input,
          scales: options.scale ?? (options.smoke ? [1, 10] : [1, 10, 50]),
        })) ?? 'this system does not say what a process has had in memory'
      );
    case 'e':
      return nothingPending(input);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function complain(error: unknown): number {
  if (interrupt.aborted) return INTERRUPTED;
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}

function sections(text: string): SectionName[] {
  return text.split(',').map((name) => {
    if (!(name in SECTIONS)) throw new InvalidArgumentError(`there is no section ${name}`);
    return name as SectionName;
  });
}

function sizes(text: string): number[] {
  return text.split(',').map(wholeNumber);
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('it is no whole number from 1 to 9999');
  return Number(text);
}
