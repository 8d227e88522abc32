/** The shell commands of README.md and docs/*.md, and which of them only another place can run. */

import { readdir, readFile } from 'node:fs/promises';

const ROOT = new URL('../../', import.meta.url);

/** A command as a page has it, without its comment and in one line. */
export interface DocsCommand {
  /** From the project's root. */
  readonly page: string;
  /** The block's number in its page: a `cd` holds to its end. */
  readonly block: number;
  readonly text: string;
}

/** Languages whose whole block is typed; in the others, what follows a prompt `$ `. */
const SHELL = new Set(['sh', 'bash', 'console', 'shell']);

/** All commands, README first, then the pages by name, each in its order. */
export async function docsCommands(): Promise<DocsCommand[]> {
  const found: DocsCommand[] = [];
  for (const page of await pages()) {
    const text = await readFile(new URL(page, ROOT), 'utf8');
    commandsOf(text).forEach((commands, block) => {
      found.push(...commands.map((command) => ({ page, block, text: command })));
    });
  }
  return found;
}

/** The commands of one page, block by block. */
export function commandsOf(page: string): string[][] {
  return [...page.matchAll(/^( *)```(\w*)[^\n]*\n(.*?)^\1```$/gms)].map(([, , language = '', block = '']) => {
    const lines = block.replaceAll(/\\\n\s*/g, '').split('\n');
    const prompted = lines.flatMap((line) => /^\s*\$ (.*)$/.exec(line)?.[1] ?? []);
    const typed = SHELL.has(language) && prompted.length === 0 ? lines : prompted;
    return typed.map((line) => line.replace(/(^|\s)# .*$/, '').trim()).filter((line) => line !== '');
  });
}

/** The queries of README and docs, without comments: of SQL blocks, and of commands that have psql ask them. */
export async function docsQueries(): Promise<{ readonly page: string; readonly text: string }[]> {
  const found: { page: string; text: string }[] = [];
  for (const page of await pages()) {
    const text = await readFile(new URL(page, ROOT), 'utf8');
    const blocks = [...text.matchAll(/^ *```sql\n(.*?)^ *```$/gms)].map(([, block = '']) => block);
    const asked = [...text.matchAll(/psql "\$DATABASE_URL" -c '(.*?)'/gs)].map(([, query = '']) => query);
    const statements = [...blocks.flatMap((block) => block.replaceAll(/--.*$/gm, '').split(';')), ...asked];
    for (const statement of statements.map((one) => one.trim()))
      if (statement.startsWith('select')) found.push({ page, text: statement });
  }
  return found;
}

/** README first, then the pages by name. */
async function pages(): Promise<string[]> {
  const names = (await readdir(new URL('docs/', ROOT))).filter((name) => name.endsWith('.md')).sort();
  return ['README.md', ...names.map((name) => `docs/${name}`)];
}

/**
 * Commands that the test of the docs does not run, by what they begin with, and why: what they need, or the test that
 * types or does the same.
 */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm ci': 'installs; each run of the suite stands on it',
  'npm run demo': 'servers of its own, a minute',
  'npm test': 'this suite',
  'npm run check': 'the gate before the suite',
  'npm run build': 'what this test begins with',
  'npm run bench': 'half an hour; test/unit/bench.test.ts',
  'npm run test:faults': 'test/faults, part of this suite',
  'tidemark rebuild ': 'needs a rebuilder; test/integration/rebuild.test.ts',
  'npm run worker': 'runs until it is ended; test/integration/drain.test.ts',
  'FAULTS_SECONDS=600 ': 'test/faults, for ten minutes',
  'TIDEMARK_FUZZ_SEED=7 ': 'test/fuzz/fuzz.test.ts, for ten minutes',
  'npx mocha test/replay/replay.test.ts': 'test/replay/replay.test.ts, part of this suite',
  'export ': "the reader's own servers",
  'alias tidemark=': 'this test has the same as a function',
  'npm run client -- dashboard': 'runs until it is ended; test/integration/dashboard.test.ts',
  'ssh -L ': "the reader's own host",
  'aws s3 cp ': "the reader's own bucket and the AWS CLI",
  'tctl ': 'the older CLI, which is not installed',
  'temporal activity reset ': 'needs an activity in its retries; test/faults/processes/temporal.ts',
  'temporal worker deployment ': 'test/integration/versions.test.ts',
  'TEMPORAL_DEPLOYMENT_NAME=tidemark ': 'test/integration/versions.test.ts',
  'source <(tidemark completion zsh)': 'needs zsh; test/integration/completion.test.ts',
  './secrets.sh': 'test/unit/deployment.test.ts',
  'psql "$DATABASE_URL" -c "create role ': 'a role of the whole server; test/integration/roles.test.ts',
  'cd temporal-docker': 'for Docker, below',
  'docker ': 'needs a Docker engine; test/unit/deployment.test.ts and test/integration/deployment.test.ts',
  'sudo systemctl ': 'needs systemd as root; test/unit/deployment.test.ts',
  'sudo systemd-run ': 'needs systemd as root; test/integration/rebuild.test.ts',
  'journalctl ': 'needs systemd',
  'curl -s http://localhost:9464/': 'needs a worker on that port; test/integration/metrics.test.ts',
};

/** The parts of a line that are commands of their own. */
export function partsOf(line: string): string[] {
  return line.split(' && ').map((part) => part.trim());
}

/** Which entry of `ELSEWHERE` a command falls under, if any. */
export function elsewhere(command: string): string | undefined {
  return Object.keys(ELSEWHERE).find((start) => command.startsWith(start));
}
