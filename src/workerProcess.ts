/** What the worker's and the rebuilder's processes have in common. */

import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from '@temporalio/worker';
import { exitWithProblem } from './client/problem.ts';
import { readConfig, type Config } from './config.ts';
import { checkDatasets } from './datasets/checkDatasets.ts';
import { DATASETS, SHADOWS } from './datasets/index.ts';

/** A cancellation reaches an attempt with the answer to a heartbeat: the SDK's own limit would hold those back for 24 s. */
const HEARTBEAT_THROTTLE = '2 seconds';

/** A worker that has not ended by then, whatever holds it, is ended: it leaves no more behind than one that is killed. */
const SHUTDOWN_MS = 28_000;

/** How both work, and by which workflow code: the bundle made by the build; run from the sources, they bundle for themselves. */
export function commonOptions() {
  return {
    ...workflowCode(),
    // Longer than a load's last statement; what is not done by then is taken up by another worker.
    shutdownGraceTime: '20 seconds',
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
  } satisfies Partial<WorkerOptions>;
}

function workflowCode(): Pick<WorkerOptions, 'workflowBundle'> | Pick<WorkerOptions, 'workflowsPath'> {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  return import.meta.url.endsWith('.ts')
    ? { workflowsPath: path('./workflows/index.ts') }
    : { workflowBundle: { codePath: path('./workflow-bundle.js') } };
}

/** The SDK begins the shutdown; this ends it. */
export function boundShutdown(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) {
    process.once(signal, () => {
      setTimeout(() => {
        process.stderr.write(
          `tidemark: not drained ${SHUTDOWN_MS / 1000} s after ${signal}; ended as it is\n`,
        );
        process.exit(1);
      }, SHUTDOWN_MS).unref();
    });
  }
}

/** Works to its end; where that is a problem, says it and exits. */
export async function runProcess(work: (config: Config) => Promise<void>): Promise<void> {
  let config: Config | undefined;
  try {
    checkDatasets([...DATASETS, ...SHADOWS]);
    config = readConfig();
    await work(config);
  } catch (error) {
    exitWithProblem(error, config);
  }
}
