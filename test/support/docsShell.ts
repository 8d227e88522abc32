/** A shell in which the commands of the docs can be typed as written. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hear } from './hush.ts';
import type { Printed } from './world.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What is signed with, in the folder of the command. */
export const SECRET = 'a secret of the docs';

/** The built client, as README names it; `npm run client --` without its build. */
const WORDS = `
tidemark() { (cd "$ROOT" && exec node dist/client.js "$@"); }
temporal() { "$TEMPORAL_CLI" "$@"; }
npm() { [ "$1 $2 $3" = 'run client --' ] || { echo "npm $*: not run here" >&2; return 1; }; shift 3; tidemark "$@"; }
set -eo pipefail
`;

/** Where and with what a command is typed. */
export interface Place {
  /** From the project's root; else a folder with a file `body`. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Types a command in bash, without a terminal. */
export async function runInShell(command: string, { folder, env }: Place): Promise<Printed> {
  const own = await mkdtemp(join(tmpdir(), 'tidemark-docs-'));
  try {
    await writeFile(join(own, 'body'), '{"id":1}');
    const child = spawn('bash', ['-c', `${WORDS}${command}`], {
      cwd: folder === '' ? own : join(ROOT, folder),
      env: {
        HOME: process.env['HOME'] ?? '',
        ROOT,
        TIMESTAMP: '1767225600',
        TIDEMARK_WEBHOOK_SECRET: SECRET,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => (out.stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (out.stderr += data.toString()));
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    hear(out.stdout);
    hear(out.stderr);
    return { status, ...out };
  } finally {
    await rm(own, { recursive: true });
  }
}
