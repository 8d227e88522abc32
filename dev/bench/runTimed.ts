/** Runs a program from its start to its end, as one would by hand. */

import { spawn } from 'node:child_process';
import { cleanEnvironment } from '../servers/launch.ts';
import type { Ground } from './ground.ts';

/** A program, its arguments, and what it needs in its environment beside the connection. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** No load takes longer. */
const LOAD_MS = 15 * 60_000;
/** The end of what a failed program said. */
const SAID_CHARACTERS = 2_000;

/**
 * Runs a program that connects by libpq's own variables or by DATABASE_URL.
 *
 * @returns milliseconds from its start to its end
 * @throws where its status is not 0, with what it said
 */
export async function runTimed(
  { stack, signal }: Ground,
  { command, args, env = {} }: Program,
): Promise<number> {
  const url = new URL(stack.env['DATABASE_URL'] ?? '');
  const connection = {
    DATABASE_URL: url.href,
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: url.password,
    PGDATABASE: url.pathname.slice(1),
  };
  const started = performance.now();
  const child = spawn(command, args, {
    env: { ...cleanEnvironment(), ...connection, ...env },
    signal,
    timeout: LOAD_MS,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const status = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, ended) => resolve(code ?? ended ?? 'unknown'));
  });
  if (status === 0) return performance.now() - started;
  throw new Error(`${command} failed (${status}):\n${said.trimEnd().slice(-SAID_CHARACTERS)}`);
}
