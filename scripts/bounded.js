/** Runs a command that may hang: its time is bounded. */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Whoever has inherited a command's output, and outlives it, keeps the output open. */
const LEFT_BEHIND_MS = 10_000;
const BUSIEST = 15;

const running = new Set();

// A runtime in the command may take a milder signal for its own. What it has started ends as its pipes close.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    process.kill(process.pid, signal);
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
  if (!isAlone) {
    const what = hasEnded
      ? 'ended, and has left a process behind'
      : `not ended within ${ms / 60_000} minutes`;
    said += `\nit has ${what}; the busiest processes:\n${await busiest()}\n`;
  }
  killGroup(child);
  running.delete(child);
  // One in a group of its own may hold the output still.
  if (!(await within(LEFT_BEHIND_MS, closed)))
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
  return { status: isAlone ? child.exitCode : null, said };
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

async function busiest() {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid,ppid,pcpu,etime,args', '--sort=-pcpu']);
    return stdout
      .split('\n', BUSIEST + 1)
      .map((line) => line.slice(0, 200))
      .join('\n');
  } catch (error) {
    return String(error);
  }
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // Nobody is left.
    if (error.code !== 'ESRCH') throw error;
  }
}
