/** Who types a command, for the audit in the ledger. */

import { hostname, userInfo } from 'node:os';

/** `user@host`, of the operating system. */
export function whoActs(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that no passwd file names.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
