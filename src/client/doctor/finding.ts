/** What a check finds, and the bounds of a check. */

import type { Config } from '../../config.ts';
import { describeProblem } from '../problem.ts';

/** `problem`: the work cannot be done, or not safely. `warning`: it can go wrong. `note`: good to know. */
export type Level = 'ok' | 'note' | 'warning' | 'problem';

/** What one check found. No secret and no value of a row is in it. */
export interface Finding {
  /** Which check: `postgres.rights`. */
  readonly check: string;
  readonly level: Level;
  readonly what: string;
  /** What to do: a command, a statement, or a sentence. */
  readonly mend?: string;
}

/** Takes findings as they come: those before a failure are kept. */
export class Findings {
  readonly list: Finding[] = [];

  add(check: string, level: Level, what: string, mend?: string): void {
    this.list.push({ check, level, what, ...(mend !== undefined && { mend }) });
  }
}

/** A server that answers at all has answered all questions by then. */
const GROUP_MS = 30_000;

/** Runs the checks of one server; what they throw, and their silence, are findings too. */
export async function bounded(
  group: string,
  config: Config,
  checks: (findings: Findings) => Promise<void>,
): Promise<readonly Finding[]> {
  const findings = new Findings();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), GROUP_MS);
  });
  try {
    const end = await Promise.race([checks(findings), late]);
    if (end === 'late') findings.add(group, 'problem', `no answer within ${GROUP_MS / 1000} s`);
  } catch (error) {
    findings.add(group, 'problem', describeProblem(error, config));
  } finally {
    clearTimeout(timer);
  }
  // What a check that is late still finds has nobody to be told.
  return [...findings.list];
}

/** Whether a host is this machine: nothing that goes to it can be read on the way. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
