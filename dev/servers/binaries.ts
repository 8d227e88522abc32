/** Where the servers' programs come from: PATH, else a per-user cache, else `go install` into that cache. */

import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Surroundings } from './launch.ts';

/** A server's program, pinned. */
export interface Program {
  readonly name: string;
  /** What `go install` builds. */
  readonly module: string;
  readonly version: string;
  /** How else to get it, a sentence. */
  readonly otherwise: string;
}

/** The pin is the newest version that `go install` can build: later ones have `replace` directives. */
export const TEMPORAL: Program = {
  name: 'temporal',
  module: 'github.com/temporalio/cli/cmd/temporal',
  version: 'v1.5.1',
  otherwise: 'Put the Temporal CLI on PATH (brew install temporal, or https://temporal.download)',
};

export const VERSITYGW: Program = {
  name: 'versitygw',
  module: 'github.com/versity/versitygw/cmd/versitygw',
  version: 'v1.8.0',
  otherwise: 'Put versitygw on PATH (https://github.com/versity/versitygw/releases)',
};

/** Lines of a failed build worth showing. */
const BUILD_LINES = 15;

/**
 * Finds a program or builds it, which takes minutes, once per version and user.
 *
 * @throws where it is nowhere and can't be built; names both ways out.
 */
export async function findProgram(program: Program, surroundings: Surroundings): Promise<string> {
  const found = await installed(program);
  if (found) return found;
  const cached = cachedAs(program);
  const go = await onPath('go');
  if (!go) {
    throw new Error(
      `${program.name} is neither on PATH nor at ${cached}, and there is no Go to build it with. ${program.otherwise}, ` +
        'or install Go (https://go.dev/dl) and run this again',
    );
  }
  const { onProgress } = surroundings;
  onProgress(
    `building ${program.name} ${program.version} with Go: takes minutes, once (kept in ${dirname(cached)})`,
  );
  const started = Date.now();
  await build({ go, program, cached, ...surroundings });
  onProgress(`built ${program.name} in ${Math.round((Date.now() - started) / 1000)} s`);
  return cached;
}

/** Where a program is that needs no build, if anywhere. */
export async function installed(program: Program): Promise<string | undefined> {
  const cached = cachedAs(program);
  return (await onPath(program.name)) ?? ((await isExecutable(cached)) ? cached : undefined);
}

function cachedAs({ name, version }: Program): string {
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(caches, 'tidemark', 'bin', `${name}-${version}`);
}

interface Build extends Surroundings {
  readonly go: string;
  readonly program: Program;
  /** Where the program belongs. */
  readonly cached: string;
}

/** Puts the whole file under its name at once, so that two builds side by side, or one broken off, do no harm. */
async function build(input: Build): Promise<void> {
  const built = await goInstall(input);
  await mkdir(dirname(input.cached), { recursive: true });
  const copy = `${input.cached}.${process.pid}`;
  try {
    await copyFile(built, copy);
    await rename(copy, input.cached);
  } finally {
    await rm(copy, { force: true });
  }
}

/** Builds into the stack's directory. @returns the file */
async function goInstall({ go, program, directory, watchdog }: Build): Promise<string> {
  const { GOOS: _os, GOARCH: _arch, GOFLAGS: _flags, ...env } = process.env;
  const child = spawn(go, ['install', `${program.module}@${program.version}`], {
    // Neither program needs a C compiler.
    env: { ...env, GOBIN: directory, CGO_ENABLED: '0', GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const group = child.pid;
  if (group !== undefined) watchdog.watch(group, 'SIGKILL');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (group !== undefined) watchdog.forget(group);
  if (code === 0) return join(directory, program.name);
  const lines = said.trimEnd().split('\n').slice(-BUILD_LINES).join('\n');
  throw new Error(`go install of ${program.name} failed. ${program.otherwise}. Go said:\n${lines}`);
}

async function onPath(name: string): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(directory, name);
    if (directory !== '' && (await isExecutable(file))) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
