/** When a command of the developer's is to end before it is through. */

/** What a shell reports for a program that ended by Ctrl-C. */
export const INTERRUPTED = 130;

/** How soon an orphan notices. */
const LOOK_MS = 500;

/**
 * Aborts on Ctrl-C, on SIGTERM, and when the process that started this one (npm, as a rule) is gone: npm passes
 * SIGTERM on to nobody. Also keeps this process alive, which nothing else does while it only waits for child processes.
 */
export function interruption(): AbortSignal {
  const interrupt = new AbortController();
  // `on`, not `once`: npm passes the terminal's SIGINT on, so that it comes twice.
  process.on('SIGINT', () => interrupt.abort());
  process.on('SIGTERM', () => interrupt.abort());
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) interrupt.abort();
  }, LOOK_MS);
  return interrupt.signal;
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}
