/** `npm run bench`: what a load costs, beside what PostgreSQL itself and other importers need for the same. */

import { loadavg, tmpdir } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { smallDeltas } from './bench/backlog.ts';
import { judged, ON_DEMAND, SECTIONS, type Figure, type SectionName } from './bench/figure.ts';
import { openGround, type Ground } from './bench/ground.ts';
import { nothingPending, SETTLE_MS } from './bench/idle.ts';
import { explainLoads, profileLoads } from './bench/inspect.ts';
import { againstPeers, againstPsql, type SectionInput } from './bench/loads.ts';
import { describeMachine, version } from './bench/machine.ts';
import { memoryAndSize } from './bench/memory.ts';
import { publish, writeResults } from './bench/publish.ts';
import { printed, type Report } from './bench/report.ts';
import { longHistory } from './bench/scale/longHistory.ts';
import { largeBaseline } from './bench/scale/largeBaseline.ts';
import { notified } from './bench/scale/notified.ts';
import { packedSideBySide } from './bench/scale/packed.ts';
import { sideBySide } from './bench/scale/sideBySide.ts';
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
  readonly results: string;
  readonly publish?: true;
  readonly profile?: string;
  readonly explain?: true;
}

/** What a smoke run leaves out: it would want packages of Python's. */
const NOT_IN_SMOKE: SectionName = 'b';
/** Rows of a file at scale 1 in a smoke run. */
const SMOKE_ROWS = 1_000;
/** Files of the backlog. */
const BACKLOG = 1_000;
const SMOKE_BACKLOG = 60;

/** What others do on this machine. */
const [LOAD_BEFORE = 0] = loadavg();

const interrupt = interruption();
const options = new Command('npm run bench --')
  .description('Measures what a load costs, on embedded real servers, beside psql and other importers.')
  .option('--smoke', 'small sizes, one run, without section b: shows that it works, says nothing of speed')
  .option(
    '--only <sections>',
    `which of ${Object.keys(SECTIONS).join(', ')}; default all but f to j, which take minutes`,
    sections,
  )
  .option('--runs <n>', 'how often each is measured', wholeNumber, 5)
  .option(
    '--scale <sizes>',
    'sizes of files, in baselines of 34,849 rows; default 1,10 and 50 for memory',
    sizes,
  )
  .option('--peers', "installs what section b wants of Python's packages into the user's cache, 500 MB")
  .option('--directory <path>', 'where the servers and files lie: on a disk', tmpdir())
  .option(
    '--results <directory>',
    'gets the figures as JSON, with their samples, and as Markdown',
    'bench-results',
  )
  .addOption(
    new Option('--publish', 'puts the tables into README.md and docs/performance.md').conflicts([
      'smoke',
      'only',
    ]),
  )
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
    else await tell(await measure(ground));
    return 0;
  } finally {
    await ground.close();
  }
}

interface Measured {
  readonly report: Report;
  readonly written: readonly string[];
}

async function tell({ report, written }: Measured): Promise<void> {
  process.stdout.write(`\n${printed(report)}\n`);
  const published = options.publish ? await publish(report) : [];
  say(`written: ${[...written, ...published].join(', ')}`);
}

async function inspect(ground: Ground): Promise<void> {
  const input = inputOf(ground);
  const scale = Math.max(...input.scales);
  if (options.profile !== undefined) {
    process.stdout.write(`\n${await profileLoads(input, scale, options.profile)}\n`);
  }
  if (options.explain) process.stdout.write(`\n${await explainLoads(input, scale)}\n`);
}

/** @param note takes what was left out, and why */
function inputOf(ground: Ground, note: (line: string) => void = say): SectionInput {
  const runs = options.smoke ? 1 : options.runs;
  const unit = options.smoke ? SMOKE_ROWS : BASELINE_ROWS;
  return { ground, unit, scales: options.scale ?? [1, 10], runs, say, note };
}

/** @returns also the files that have it by then */
async function measure(ground: Ground): Promise<Measured> {
  const smoke = options.smoke ?? false;
  const notes: string[] = [];
  const input = inputOf(ground, (line) => notes.push(line));
  const figures: Figure[] = [];
  let written: readonly string[] = [];
  const report = async (): Promise<Report> => ({
    figures: figures.map((figure) => judged(figure, !smoke)),
    machine: await describeMachine(ground, LOAD_BEFORE),
    yardstick: ground.yardstick.samples,
    notes,
    runs: input.runs,
    smoke,
  });
  const all = (Object.keys(SECTIONS) as SectionName[]).filter(
    (name) => !ON_DEMAND.has(name) && (!smoke || name !== NOT_IN_SMOKE),
  );
  for (const name of options.only ?? all) {
    say(`section ${name}: ${SECTIONS[name]}`);
    figures.push(...(await section(name, input)));
    // All of them take an hour with peers: what is measured is not lost where the rest is broken off.
    written = await writeResults(await report(), options.results);
  }
  return { report: await report(), written };
}

async function section(name: SectionName, input: SectionInput): Promise<Figure[]> {
  switch (name) {
    case 'a':
      if (await version('psql')) return againstPsql(input);
      input.note('Section a was left out: there is no psql on PATH.');
      return [];
    case 'b':
      return againstPeers(input, { install: options.peers ?? false });
    case 'c':
      return smallDeltas({ ...input, backlog: options.smoke ? SMOKE_BACKLOG : BACKLOG });
    case 'd':
      return memoryAndSize({
        ...input,
        scales: options.scale ?? (options.smoke ? [1, 10] : [1, 10, 50]),
      });
    case 'e':
      return nothingPending({ ...input, settleMs: options.smoke ? 0 : SETTLE_MS });
    case 'f':
      return longHistory(
        input,
        options.smoke ? { files: 1_200, beside: 2_000 } : { files: 10_000, beside: 200_000 },
      );
    case 'g':
      return sideBySide(input, options.smoke ? { files: 2 } : { files: 40 });
    case 'h':
      return largeBaseline(
        input,
        options.smoke ? { rows: 100_000, vacuumMs: 60_000 } : { rows: 5_000_000, vacuumMs: 20 * 60_000 },
      );
    case 'i':
      return notified(input, options.smoke ? { files: 5, ms: 200 } : { files: 50, ms: 2_000 });
    case 'j':
      return packedSideBySide(input, { rows: input.unit * Math.max(...input.scales) });
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
