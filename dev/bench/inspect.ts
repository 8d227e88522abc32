/** Where the time of a load goes: in our process, by the CPU profiler, and in PostgreSQL, by its plans. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { ourselves } from './contest.ts';
import type { Ground } from './ground.ts';
import { prepare, type SectionInput } from './loads.ts';
import type { CpuProfile } from './loaderProcess.ts';

/** Functions shown, of which the rest take little each. */
const SHOWN = 25;
/** What PostgreSQL is to explain: statements of at least this many milliseconds. */
const EXPLAIN_MS = 20;

/** Writes a CPU profile of each case into a directory. @returns the functions in which most time was spent */
export async function profileLoads(input: SectionInput, scale: number, directory: string): Promise<string> {
  const { ground } = input;
  const { cases, loader, baseline } = await prepare(input, scale);
  const us = ourselves(ground, loader, baseline);
  const found: string[] = [];
  await mkdir(directory, { recursive: true });
  for (const { id, what, state, file } of cases) {
    await us.prepare(state);
    const profile = await loader.profile(file);
    const path = resolve(directory, `${id}.cpuprofile`);
    await writeFile(path, JSON.stringify(profile));
    found.push(`${what}, ${scale}× (${path})`, ...topOf(profile), '');
  }
  await loader.stop();
  return found.join('\n');
}

/** Lets PostgreSQL explain the statements of each case as they run. @returns the plans, as it logs them */
export async function explainLoads(input: SectionInput, scale: number): Promise<string> {
  const { ground } = input;
  await logPlans(ground);
  // Its connections are new, and so are explained.
  const { cases, loader, baseline } = await prepare(input, scale, ['tenth', 'every']);
  const us = ourselves(ground, loader, baseline);
  const log = join(ground.stack.directory, 'postgres.log');
  const found: string[] = [];
  for (const { what, state, file } of cases) {
    await us.prepare(state);
    const before = (await readFile(log)).length;
    await us.run(file);
    const plans = (await readFile(log)).subarray(before).toString();
    found.push(`── ${what}, ${scale}× ──`, plans.trimEnd(), '');
  }
  await loader.stop();
  return found.join('\n');
}

/** For new connections of the tables' owner. */
async function logPlans({ stack }: Ground): Promise<void> {
  const owner = new URL(stack.env['DATABASE_URL'] ?? '').username;
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': `${EXPLAIN_MS}ms`,
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_buffers': 'on',
    'auto_explain.log_wal': 'on',
    // Values of rows are nothing for a log.
    'auto_explain.log_parameter_max_length': '0',
  };
  const admin = new pg.Client({ connectionString: stack.adminDatabaseUrl });
  await admin.connect();
  for (const [name, value] of Object.entries(settings)) {
    await admin.query(`alter role ${owner} set ${name} = '${value}'`);
  }
  await admin.end();
}

/** The functions with most time of their own, and their share of all. */
function topOf({ nodes, samples, timeDeltas }: CpuProfile): string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const own = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    own.set(name, (own.get(name) ?? 0) + (timeDeltas[at] ?? 0));
  }
  const all = timeDeltas.reduce((sum, delta) => sum + delta, 0);
  return [...own]
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([name, time]) => {
      const share = ((100 * time) / all).toFixed(1);
      return `${share.padStart(6)} %  ${(time / 1000).toFixed(0).padStart(6)} ms  ${name}`;
    });
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const place = url.replace(/^.*\/(?=(?:dist|node_modules)\/)/, '');
  return `${functionName || '(anonymous)'}${place === '' ? '' : `  ${place}:${lineNumber + 1}`}`;
}
