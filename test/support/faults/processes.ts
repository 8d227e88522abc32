/** Real worker and client processes, which a test kills, freezes and wakes. */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { built } from '../built.ts';
import { hear } from '../hush.ts';
import { until, within } from './bounds.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

/** The shutdown grace of a worker is 20 s. */
const END_MS = 40_000;
/** On a machine that does much besides. */
const START_MS = 120_000;
const COMMAND_MS = 60_000;

/** The environment of a child process: a way to programs, and what is given. */
type Variables = Readonly<Record<string, string>>;

function environment(env: Variables): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env };
}

/** How a worker is started. */
export interface WorkerOptions {
  /** How far its clock is off, in the words of faketime: `+1h`. */
  readonly clock?: string;
}

/** `npm run worker`'s program in a process of its own. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<string>;
  #said = '';
  /** What was asked of it. */
  #told: 'kill' | 'end' | undefined;
  #ending: string | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exit = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve((this.#ending = signal ?? `status ${code}`)));
    });
    this.#exit.catch(() => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.#said += data.toString();
        hear(data.toString());
      });
    }
  }

  static async start(env: Variables, { clock }: WorkerOptions = {}): Promise<WorkerProcess> {
    await built();
    const child = spawn(process.execPath, ['dist/worker.js'], {
      cwd: ROOT,
      env: { ...environment(env), ...(clock !== undefined && (await fakeClock(clock))) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new WorkerProcess(child);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the worker was not started');
    return this.#child.pid;
  }

  /** All that it has written so far. */
  get said(): string {
    return this.#said;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How it ended by itself, if it did: who ends by a signal of ours, or by SIGTERM in order, did not. */
  get crashed(): string | undefined {
    const asked = this.#told === 'end' || (this.#told === 'kill' && this.#ending === 'SIGKILL');
    return asked ? undefined : this.#ending;
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.running) this.#told = 'kill';
    this.#child.kill('SIGKILL');
    await within(5_000, 'a killed worker is gone', this.#exit);
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  wake(): void {
    this.#child.kill('SIGCONT');
  }

  /** Resolves when it works. */
  async works(): Promise<void> {
    await until(START_MS, 'a worker works', () => !this.running || /"state":"RUNNING"/.test(this.#said));
  }

  /** SIGTERM; resolves with how it ended. */
  async end(): Promise<string> {
    if (this.running) {
      this.#told = 'end';
      this.#child.kill('SIGTERM');
    }
    try {
      return await within(END_MS, 'a worker ends after SIGTERM', this.#exit);
    } finally {
      if (this.running) this.#child.kill('SIGKILL');
    }
  }
}

/**
 * The environment under which a program's clock is off. The wrapper `faketime` tells where its library is; it would itself
 * stand between us and the worker, and our signals would end the one and leave the other.
 */
export async function fakeClock(clock: string): Promise<Variables> {
  try {
    const { stdout } = await run('faketime', ['-m', '-f', clock, 'printenv', 'LD_PRELOAD'], {
      timeout: COMMAND_MS,
    });
    // The monotonic clock has no wrong time, and threads hang where it is moved.
    return { LD_PRELOAD: stdout.trim(), FAKETIME: clock, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
  } catch {
    throw new Error(
      'faketime is not installed, and the tests of a wrong clock need it: apt-get install faketime ' +
        '(elsewhere: https://github.com/wolfcw/libfaketime)',
    );
  }
}

/** What a command printed and how it ended. */
export interface Typed {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function type(command: string, args: readonly string[], env: Variables): Promise<Typed> {
  try {
    const options = { cwd: ROOT, env: environment(env), timeout: COMMAND_MS };
    const { stdout, stderr } = await run(command, [...args], options);
    hear(stdout + stderr);
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    hear(stdout + stderr);
    return { status: code, stdout, stderr };
  }
}

/** Types `tidemark <args>`. */
export async function tidemark(args: readonly string[], env: Variables): Promise<Typed> {
  await built();
  return type(process.execPath, ['dist/client.js', ...args], env);
}
