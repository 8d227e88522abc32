/** Sections a and b: whole files, onto an empty table and onto a full one, against other ways to load them. */

import { compete, ourselves, psql, type Contestant, type Heat } from './contest.ts';
import { ratios, type Figure } from './figure.ts';
import { again, emptyBucket, writeFile, type BenchFile } from './files.ts';
import type { Ground } from './ground.ts';
import { startLoader, type Loader } from './loaderProcess.ts';
import { setUpPeers } from './peers.ts';
import { findPackages } from './packages.ts';
import { forgetLoads, keepRows, OURS, reset } from './tables.ts';

/** Importers that need minutes for more are not asked to. */
const PEERS_SCALE = 10;

/** What a section needs. */
export interface SectionInput {
  readonly ground: Ground;
  /** Rows of a file at scale 1. */
  readonly unit: number;
  readonly scales: readonly number[];
  readonly runs: number;
  readonly say: (line: string) => void;
  /** Takes what was left out, and why. */
  readonly note: (line: string) => void;
}

/** A file onto a table in a state. */
interface Case extends Heat {
  readonly id: string;
  readonly what: string;
}

/** The files of one scale, and a full table's rows kept. */
interface Field {
  readonly loader: Loader;
  readonly baseline: BenchFile;
  readonly cases: readonly Case[];
}

/** Section a. */
export async function againstPsql(input: SectionInput): Promise<Figure[]> {
  const { ground, scales } = input;
  const figures: Figure[] = [];
  for (const scale of scales) {
    const field = await prepare(input, scale, ['tenth', 'every']);
    for (const one of field.cases) {
      const times = await run(input, field, one, [psql(ground, 'plain'), psql(ground, 'tuned')], scale);
      figures.push(figure(`a.${one.id}.${scale}`, one, scale, times, 'psql', 'ratio'));
      figures.push(figure(`a.tuned.${one.id}.${scale}`, one, scale, times, 'tuned psql', 'ratio'));
    }
    await field.loader.stop();
  }
  return figures;
}

/** Section b, at the largest scale up to 10, against the peers that are installed. */
export async function againstPeers(
  input: SectionInput,
  options: { readonly install: boolean },
): Promise<Figure[]> {
  const { ground } = input;
  const figures: Figure[] = [];
  const packages = await findPackages({ ...input, ...options });
  if (packages === undefined) return [];
  const scale = Math.max(...input.scales.filter((one) => one <= PEERS_SCALE), Math.min(...input.scales));
  const field = await prepare(input, scale);
  const peers = await setUpPeers(ground, packages, field.baseline);
  for (const one of field.cases) {
    const times = await run(input, field, one, Object.values(peers), scale);
    for (const [word, { name }] of Object.entries(peers)) {
      figures.push(figure(`b.${word}.${one.id}.${scale}`, one, scale, times, name, 'times'));
    }
  }
  await field.loader.stop();
  return figures;
}

/** Writes the files, fills the table once, and keeps its rows; the loader is warm then. */
export async function prepare(
  { ground, unit, say }: SectionInput,
  scale: number,
  more: readonly ('tenth' | 'every')[] = [],
): Promise<Field> {
  const rows = unit * scale;
  say(`scale ${scale}: writing files of ${rows.toLocaleString('en')} rows`);
  await emptyBucket(ground);
  const baseline = await writeFile(ground, { rows, place: 0, changes: 'none' });
  const equal = await again(ground, baseline, 1);
  const cases: Case[] = [
    { id: 'empty', what: 'onto an empty table', state: 'empty', file: baseline },
    { id: 'equal', what: 'onto the full table, all rows equal', state: 'full', file: equal },
  ];
  if (more.includes('tenth')) {
    const file = await writeFile(ground, { rows, place: 2, changes: 'tenth' });
    cases.push({ id: 'tenth', what: 'onto the full table, 10 % changed', state: 'full', file });
  }
  if (more.includes('every')) {
    const file = await writeFile(ground, { rows, place: 3, changes: 'every' });
    cases.push({ id: 'every', what: 'onto the full table, every row changed', state: 'full', file });
  }
  const loader = await startLoader(ground.stack);
  await forgetLoads(ground);
  await reset(ground, OURS, 'empty');
  await loader.load([baseline]);
  await keepRows(ground);
  return { loader, baseline, cases };
}

async function run(
  { ground, runs, say }: SectionInput,
  { loader, baseline }: Field,
  heat: Case,
  others: readonly Contestant[],
  scale: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  say(`${heat.what}, ${scale}×`);
  const contestants = [ourselves(ground, loader, baseline), ...others];
  return compete(ground, { heat, contestants, rounds: runs, onRound: (line) => say(`  ${line}`) });
}

function figure(
  id: string,
  { what }: Case,
  scale: number,
  times: ReadonlyMap<string, readonly number[]>,
  who: string,
  unit: 'ratio' | 'times',
): Figure {
  const ours = times.get('Tidemark') ?? [];
  const theirs = times.get(who) ?? [];
  const samples = unit === 'ratio' ? ratios(ours, theirs) : ratios(theirs, ours);
  return { id, what: `${what}, ${scale}×`, pair: { ours, theirs, who }, unit, samples };
}
