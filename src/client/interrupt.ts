/** Ctrl-C while something is followed that goes on without: it is left alone, and how to come back is said. */

import { note, printable } from './terminal.ts';

/** What a shell reports for a command that Ctrl-C ended. */
const INTERRUPTED = 130;

/** Hears Ctrl-C from now on. @returns ends that */
export function onInterrupt(interrupt: () => void): () => void {
  // Not `once`: npm and tsx pass the terminal's signal on, so that it may come twice.
  process.on('SIGINT', interrupt);
  return () => void process.removeListener('SIGINT', interrupt);
}

/** Says that it goes on, and sets the exit status. @param command that attaches to it again */
export function sayDetached(what: 'run' | 'rebuild', command: string, workflowId: string): void {
  note(`\ndetached; the ${what} goes on.
  reattach:  ${command}
  cancel:    temporal workflow cancel --workflow-id ${printable(workflowId)}`);
  process.exitCode = INTERRUPTED;
}
