/** Runs a command that may hang: its time is bounded. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Whoever has inherited a command's output, and outlives it, keeps the output open. */
const LEFT_BEHIND_MS = 10_000;

const running = new Set();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    for (const child of running) signalGroup(child, signal);
  });

/**
 * Runs a command in a process group of its own, to its end or to the end of its time. Nothing of its group is left.
 *
 * @param {string[]} command
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, ms: number }} options
 * @returns its status, null where it, or one that it left behind, had to be ended; and what it said
 */
export async function run([program, ...args], { cwd, env, ms }) {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (said += text));
  const closed = once(child, 'close');
  const hasEnded = await within(ms, once(child, 'exit'));
  const isAlone = hasEnded && (await within(LEFT_BEHIND_MS, closed));
  signalGroup(child, 'SIGKILL');
  await closed;
  running.delete(child);
  if (isAlone) return { status: child.exitCode, said };
  const what = hasEnded ? 'ended, and has left a process behind' : `not ended within ${ms / 60_000} minutes`;
  return { status: null, said: `${said}\nit has ${what}\n` };
}

/** @returns whether it came about in time */
async function within(ms, work) {
  const stop = new AbortController();
  const late = delay(ms, false, { signal: stop.signal });
  try {
    return Boolean(await Promise.race([work, late]));
  } finally {
    late.catch(() => undefined);
    stop.abort();
  }
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // Nobody is left.
    if (error.code !== 'ESRCH') throw error;
  }
}
