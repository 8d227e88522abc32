/** The Python packages of other importers, in a virtual environment of their own in the user's cache. */

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cleanEnvironment } from '../servers/launch.ts';
import { version } from './machine.ts';

const run = promisify(execFile);

/** What each of them needs, pinned. */
const PACKAGES = {
  psycopg3: ['psycopg[binary]==3.3.9'],
  psycopg2: ['psycopg2-binary==2.9.13'],
  /** With what it reads CSV by. */
  dlt: ['dlt[postgres,filesystem]==1.31.0', 'pandas'],
  /** The package with the program in it: the one named `sling` downloads it at its first use. */
  sling: [`sling-linux-${process.arch === 'x64' ? 'amd64' : 'arm64'}==1.4.11`],
} as const;

/** The word that stands for an importer in the ids of figures. */
export type PeerName = keyof typeof PACKAGES;

/** A Python that has the packages of some importers. */
export interface Packages {
  readonly python: string;
  readonly has: ReadonlySet<PeerName>;
}

/** Packages are downloaded, once a user. */
const INSTALL_MS = 15 * 60_000;
/** The end of what pip says of a failure. */
const SAID_CHARACTERS = 2_000;

/**
 * Finds, and if asked to installs, what there can be here. What there is not is noted, with the reason.
 *
 * @returns `undefined` where there is none
 */
export async function findPackages(input: {
  readonly install: boolean;
  readonly say: (line: string) => void;
  readonly note: (line: string) => void;
}): Promise<Packages | undefined> {
  const { install, say, note } = input;
  if (!(await version('python3'))) {
    note('Section b was left out: there is no python3 on PATH.');
    return undefined;
  }
  const home = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tidemark', 'bench-python');
  const python = join(home, 'bin', 'python');
  const has = new Set<PeerName>();
  let installed = await frozen(python);
  for (const [name, wanted] of Object.entries(PACKAGES) as [PeerName, readonly string[]][]) {
    const lacks = wanted.filter((one) => !installed?.has(one.replace(/\[.*\]/, '').toLowerCase()));
    let why = lacks.length > 0 ? 'npm run bench -- --peers installs it' : undefined;
    if (lacks.length > 0 && install) {
      say(`  installing ${lacks.join(', ')} (kept in ${home})`);
      const said = await attempt(async () => {
        if (installed === undefined) await makeEnvironment(home);
        await pip(python, ['install', '--quiet', ...lacks]);
      });
      if (said !== undefined) say(`  pip: ${said}`);
      // What pip says may name hosts of the user's, and notes are published.
      why = said === undefined ? undefined : 'pip could not get it here';
      installed = await frozen(python);
    }
    if (why === undefined) has.add(name);
    else note(`${name} is not installed: ${why}.`);
  }
  return has.size > 0 ? { python, has } : undefined;
}

/** The packages of an environment, as `name` and as `name==version`; `undefined` where there is no environment. */
async function frozen(python: string): Promise<ReadonlySet<string> | undefined> {
  return pip(python, ['freeze']).then(
    (said) => {
      const lines = said.toLowerCase().split('\n');
      return new Set(lines.flatMap((line) => [line.trim(), line.replace(/==.*/, '').trim()]));
    },
    () => undefined,
  );
}

async function makeEnvironment(home: string): Promise<void> {
  await mkdir(home, { recursive: true });
  await run('python3', ['-m', 'venv', '--clear', home], { env: cleanEnvironment(), timeout: INSTALL_MS });
}

async function pip(python: string, args: readonly string[]): Promise<string> {
  const all = ['-m', 'pip', '--disable-pip-version-check', ...args];
  return (await run(python, all, { env: cleanEnvironment(), timeout: INSTALL_MS })).stdout;
}

/** @returns what was said where it failed; `undefined` where it did not */
async function attempt(deed: () => Promise<void>): Promise<string | undefined> {
  return deed().then(
    () => undefined,
    (error: Error & { stderr?: string }) => (error.stderr || error.message).trim().slice(-SAID_CHARACTERS),
  );
}
