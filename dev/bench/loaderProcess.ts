/** The process that calls the built activities, as its parent sees it. */

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadFileResult } from '../../src/activities/interface.ts';
import { inc } from '../../src/datasets/inc.ts';
import { NOTHING_SEEN } from '../../src/domain/listing.ts';
import { workerCommand } from '../demo/product.ts';
import { childEnvironment, type Stack } from '../embedded.ts';
import type { StoredFile } from './files.ts';

/** What a call of `loadFile` came to, and how long it took, from the call to its promise's end. */
export interface TimedLoad {
  readonly ms: number;
  readonly result: LoadFileResult;
}

/** A running loader. */
export interface Loader {
  /** Loads files one after the other. @throws where one of them was not applied */
  load(files: readonly StoredFile[]): Promise<TimedLoad[]>;
  /** Lists, loads and archives all that is pending, one file after the other. */
  loop(): Promise<{ readonly files: number; readonly ms: number }>;
  /** Loads a file under the CPU profiler. */
  profile(file: StoredFile): Promise<CpuProfile>;
  stop(): Promise<void>;
}

/** The part of a CPU profile that is looked at; times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** No deed takes longer: the largest file needs a minute on a slow machine. */
const DEED_MS = 15 * 60_000;
/** As the workflow lists. */
const PAGE_SIZE = 500;

type Answer = { readonly result: unknown } | { readonly error: string };

/** Starts one, as `npm run worker` starts Node; it ends with `stop`, and by itself where this process ends. */
export async function startLoader(stack: Stack): Promise<Loader> {
  const { options, env } = await workerCommand();
  const child = fork(fileURLToPath(new URL('loader.js', import.meta.url)), [], {
    env: { ...childEnvironment(stack), ...env },
    // The worker's options, and nothing of our own: no tsx in it.
    execArgv: [...options],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await answerOf(child);
  const ask = async (deed: string, input: object): Promise<unknown> => {
    const answer = answerOf(child);
    child.send({ deed, input: { dataset: inc.name, ...input } });
    return answer;
  };
  return {
    load: async (files) => {
      const loads = (await ask('load', { files })) as TimedLoad[];
      const odd = loads.findIndex(({ result }) => result.outcome !== 'applied');
      if (odd >= 0) throw new Error(`${files[odd]?.key} was not applied: ${loads[odd]?.result.outcome}`);
      return loads;
    },
    loop: async () =>
      (await ask('loop', { pageSize: PAGE_SIZE, seen: NOTHING_SEEN })) as { files: number; ms: number },
    profile: async (file) => (await ask('profile', { file })) as CpuProfile,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await gone;
    },
  };
}

/** The next answer. @throws where there is none in time, or an error */
function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      act();
    };
    const onMessage = (answer: Answer): void =>
      settle(() =>
        'error' in answer ? reject(new Error(`the loader: ${answer.error}`)) : resolve(answer.result),
      )();
    const onExit = settle(() => reject(new Error('the loader ended by itself')));
    const late = settle(() => {
      child.kill('SIGKILL');
      reject(new Error(`the loader did not answer within ${DEED_MS / 60_000} minutes`));
    });
    const timer = setTimeout(late, DEED_MS);
    child.on('message', onMessage).on('exit', onExit);
  });
}
