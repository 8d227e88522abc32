/** One child process that serves: started, waited for, stopped. */

import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Watchdog } from './watchdog.ts';

/** What to start. */
export interface ServerSpec {
  /** For people: in errors and progress. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Whom to run as; ourselves where absent. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly logFile: string;
  /** Resolves where the server is ready, throws where it is not yet; called again until then. */
  readonly probe: () => Promise<void>;
  /** What ends it at once and cleanly; its data is thrown away. */
  readonly stopSignal: NodeJS.Signals;
}

/** A server that is up. */
export interface Server {
  readonly name: string;
  /** The process id; another one after each `start`. */
  pid(): number;
  /** Ends it with the signal (default its own stop signal) and waits until it is gone; SIGKILL after 5 s. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again after `stop`, on the same ports and data, and resolves when it is ready. */
  start(): Promise<void>;
  /** Rejects with `ServerFailed` when the process, as it is now, ends. */
  failure(): Promise<never>;
}

/** The server ended, or did not get ready. `log` is the end of what it wrote. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
  readonly log: string;

  constructor(what: string, log: string) {
    super(`${what}. Its last log lines:\n${log || '(none)'}`);
    this.log = log;
  }
}

/** A server that needs longer than this is not going to come; a loaded machine needs about 5 s. */
const READY_MS = 60_000;
/** Between two tries to connect. */
const PROBE_MS = 20;
/** A try that hangs must not hang the start. */
const PROBE_LIMIT_MS = 5_000;
/** After which a server that does not heed its stop signal is killed. */
const STOP_MS = 5_000;
const LOG_LINES = 20;

/** Starts a server and resolves when it is ready; where it fails, it is gone again when this rejects. */
export async function startServer(spec: ServerSpec, watchdog: Watchdog): Promise<Server> {
  let child = await launch(spec, watchdog);
  return {
    name: spec.name,
    pid: () => pidOf(child, spec),
    stop: (signal = spec.stopSignal) => end(child, signal),
    start: async () => {
      child = await launch(spec, watchdog);
    },
    failure: async () => {
      const how = await exited(child);
      throw new ServerFailed(`${spec.name} ended (${how})`, await tail(spec.logFile));
    },
  };
}

async function launch(spec: ServerSpec, watchdog: Watchdog): Promise<ChildProcess> {
  // Files, not pipes: a server must not wait for our event loop to read what it says.
  const log = await open(spec.logFile, 'a');
  const child = spawn(spec.command, spec.args, {
    stdio: ['ignore', log.fd, log.fd],
    env: spec.env,
    cwd: '/',
    detached: true,
    ...spec.user,
  });
  const gone = exited(child);
  await log.close();
  if (child.pid !== undefined) {
    const group = child.pid;
    watchdog.watch(group, spec.stopSignal);
    void gone.then(() => watchdog.forget(group));
  }
  child.unref();
  try {
    await ready(spec, gone);
    return child;
  } catch (error) {
    await end(child, 'SIGKILL');
    throw error;
  }
}

async function ready(spec: ServerSpec, gone: Promise<string>): Promise<void> {
  let how: string | undefined;
  void gone.then((text) => (how = text));
  let last = 'no answer';
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline;) {
    try {
      await Promise.race([spec.probe(), gone, delay(PROBE_LIMIT_MS, undefined, { ref: false }).then(hung)]);
      if (how === undefined) return;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (how !== undefined) throw new ServerFailed(`${spec.name} ended (${how})`, await tail(spec.logFile));
    await Promise.race([gone, delay(PROBE_MS)]);
  }
  const seconds = READY_MS / 1000;
  throw new ServerFailed(
    `${spec.name} was not ready within ${seconds} s (${last})`,
    await tail(spec.logFile),
  );
}

function hung(): never {
  throw new Error('the readiness check hangs');
}

/** Resolves when the process is gone or could not be started, with how. */
function exited(child: ChildProcess): Promise<string> {
  const how = (code: number | null, signal: NodeJS.Signals | null): string => signal ?? `exit status ${code}`;
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(how(child.exitCode, child.signalCode));
  }
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(how(code, signal)));
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = exited(child);
  child.ref();
  signalGroup(child.pid, signal);
  const killer = setTimeout(signalGroup, STOP_MS, child.pid, 'SIGKILL');
  await gone;
  clearTimeout(killer);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: it has just ended, which is what we want.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function pidOf(child: ChildProcess, spec: ServerSpec): number {
  if (child.pid === undefined) throw new Error(`${spec.name} was not started from ${basename(spec.command)}`);
  return child.pid;
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
}
