/** Drives Tidemark as its user does: builds it, types commands, runs a worker. */

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { childEnvironment, type Stack } from '../embedded.ts';
import type { Server } from '../servers/server.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** temporal.api.enums.v1.TaskQueueType: workflow, activity. */
const QUEUE_TYPES = [1, 2] as const;
const TASK_QUEUE = 'tidemark';

/** Compiles `src/` to `dist/`, as `npm ci` does. */
export async function build(signal: AbortSignal): Promise<void> {
  await run({ command: 'npm', args: ['run', '--silent', 'build'], env: process.env, signal });
}

/** Types `tidemark <args>`. @returns what it printed; fails with what it complained of where it exits with another status than 0. */
export function tidemark(stack: Stack, args: readonly string[], signal: AbortSignal): Promise<string> {
  const command = process.execPath;
  return run({
    command,
    args: [join(ROOT, 'dist/client.js'), ...args],
    env: childEnvironment(stack),
    signal,
  });
}

/** What `npm run worker` starts once it has built: Node's options, the program, and settings beside ours. */
export async function workerCommand(): Promise<{
  readonly options: readonly string[];
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    readonly scripts: { readonly worker: string };
  };
  const [, settings, options, program] =
    /&& ((?:\w+=\S+ )*)node ((?:--\S+ )*)(\S+)$/.exec(scripts.worker) ?? [];
  if (program === undefined)
    throw new Error(`npm run worker ends otherwise than expected: ${scripts.worker}`);
  return {
    options: words(options),
    program: join(ROOT, program),
    env: Object.fromEntries(words(settings).map((word) => word.split('=', 2) as [string, string])),
  };
}

function words(text = ''): readonly string[] {
  return text.split(' ').filter(Boolean);
}

/** Starts `npm run worker`'s program and resolves when it polls for workflows and activities. */
export async function startWorker(stack: Stack, temporal: Client): Promise<Server> {
  const { options, program, env } = await workerCommand();
  return stack.add({
    name: 'worker',
    command: process.execPath,
    args: [...options, program],
    env: { ...childEnvironment(stack), ...env },
    probe: () => assertPolled(temporal),
    // Its servers end with it, so there is nothing left to wind up.
    stopSignal: 'SIGKILL',
  });
}

async function assertPolled({ connection, options: { namespace } }: Client): Promise<void> {
  const taskQueue = { name: TASK_QUEUE };
  for (const taskQueueType of QUEUE_TYPES) {
    const queue = await connection.workflowService.describeTaskQueue({ namespace, taskQueue, taskQueueType });
    if (!queue.pollers?.length) throw new Error(`nobody polls the task queue ${TASK_QUEUE} yet`);
  }
}

interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

function run({ command, args, env, signal }: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    let complained = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complained += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) return resolve(printed.trimEnd());
      const words = [command === process.execPath ? 'tidemark' : command, ...args.slice(-3)].join(' ');
      reject(new Error(`${words} failed with status ${code}:\n${(complained || printed).trimEnd()}`));
    });
  });
}
