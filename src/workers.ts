/** The two Temporal workers of a process: its own queue, and the one for large files. */

import { Worker, type WorkerOptions } from '@temporalio/worker';
import { largeQueueOf, slotsOf } from './domain/slots.ts';

/** Workers that live and end together. */
export interface Workers {
  run(): Promise<void>;
  shutdown(): void;
  /** Of the one that is not running, if any; `STOPPED` where both are. */
  getState(): ReturnType<Worker['getState']>;
}

/** Workflow code is the first worker's alone; all else both have. */
export type WorkersOptions = WorkerOptions & { readonly taskQueue: string };

/** Creates both. @param loads files side by side (`slotsOf`) */
export async function createWorkers(options: WorkersOptions, loads: number): Promise<Workers> {
  const { ordinary, large } = slotsOf(loads);
  const first = await Worker.create({
    ...options,
    maxConcurrentActivityTaskExecutions: ordinary,
    maxConcurrentLocalActivityExecutions: ordinary,
  });
  const { workflowsPath: _path, workflowBundle: _bundle, ...shared } = options;
  const second = await Worker.create({
    ...shared,
    taskQueue: largeQueueOf(options.taskQueue),
    maxConcurrentActivityTaskExecutions: large,
  });
  const both = [first, second];
  const shutdown = (): void =>
    both.filter((one) => one.getState() === 'RUNNING').forEach((one) => one.shutdown());
  return {
    // One that fails must not leave a process that looks alive and takes half of the work.
    run: async () => {
      const runs = both.map((one) => one.run().finally(shutdown));
      const ends = await Promise.allSettled(runs);
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    },
    shutdown,
    getState: () => {
      const states = both.map((one) => one.getState());
      return (
        states.find((state) => state !== 'RUNNING' && state !== 'STOPPED') ??
        states.find((state) => state !== 'STOPPED') ??
        'STOPPED'
      );
    },
  };
}
