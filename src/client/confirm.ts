/** Deeds that a person has to confirm, with a reason that is kept. */

import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { Problem } from './problem.ts';
import { note } from './terminal.ts';

/** The exit status of a deed that was not confirmed: nothing was done. */
export const NOT_CONFIRMED = 3;

/** Options of a verb that acts. */
export interface ActOptions {
  readonly reason: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Gives a verb the options of one that acts and keeps why. */
export function actsForAReason(command: Command): Command {
  return command
    .requiredOption('--reason <text>', 'why; kept in the ledger, with who and when')
    .option('--yes', 'do it without asking')
    .option('--json', 'print one JSON document');
}

/** @throws Problem where the reason says nothing */
export function reasonOf({ reason }: Pick<ActOptions, 'reason'>): string {
  if (reason.trim() === '') throw new Problem('--reason is empty: say why, for who reads the ledger');
  return reason.trim();
}

/** What is asked. */
export interface Question {
  /** What will be done; lines, foreign text in them printable. */
  readonly what: string;
  readonly yes: boolean | undefined;
  /** Without a terminal to ask on and without `--yes`: whether the verb refuses, or goes on as it is scripted. */
  readonly unattended: 'refuse' | 'goOn';
}

/**
 * Returns once the deed is confirmed.
 *
 * @throws Problem with status 3 where it is not
 */
export async function confirm({ what, yes, unattended }: Question): Promise<void> {
  if (yes === true) return;
  if (process.stdin.isTTY && process.stderr.isTTY) {
    note(what);
    if ((await answerTo(GO_ON)) === 'yes') return;
    throw new Problem('not confirmed: nothing was done', NOT_CONFIRMED);
  }
  if (unattended === 'goOn') return;
  throw new Problem(
    `${what}\nThere is no terminal to ask on: nothing was done. To do it: --yes`,
    NOT_CONFIRMED,
  );
}

/** The question of every deed. */
export const GO_ON = 'Go on? [y/N] ';

/** Asks on the terminal. `none`: Ctrl-C, the end of the input, or the question was over before. */
export async function answerTo(question: string, over?: AbortSignal): Promise<'yes' | 'no' | 'none'> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const left = new AbortController();
  asking.once('SIGINT', () => left.abort()).once('close', () => left.abort());
  try {
    const signal = over ? AbortSignal.any([over, left.signal]) : left.signal;
    const answer = await asking.question(question, { signal });
    return /^y(es)?$/i.test(answer.trim()) ? 'yes' : 'no';
  } catch {
    note('');
    return 'none';
  } finally {
    asking.close();
  }
}
