/** Where progress is shown: a line that changes in place on a terminal, else a plain line every few seconds. */

import { createLogUpdate } from 'log-update';
import { note } from './terminal.ts';

/** Between two plain lines: a log is read afterwards. */
const PLAIN_MS = 5_000;

export interface ProgressDisplay {
  /** Whether other lines may be printed between; else they wait for the end. */
  readonly live: boolean;
  show(line: string): void;
  /** Takes the line away, before other lines and at the end. */
  clear(): void;
}

/** On stderr: what is piped on is the result alone. */
export function progressDisplay(stream: NodeJS.WriteStream = process.stderr): ProgressDisplay {
  // Without a size (some pseudo-terminals have none) nothing can be redrawn in place.
  if (stream.isTTY && stream.columns > 0 && stream.rows > 0) {
    const update = createLogUpdate(stream);
    return {
      live: true,
      show: (line) => update(line.slice(0, Math.max(1, stream.columns - 1))),
      clear: () => {
        update.clear();
        // Gives the cursor back.
        update.done();
      },
    };
  }
  let last = Date.now();
  return {
    live: false,
    show: (line) => {
      if (Date.now() - last < PLAIN_MS) return;
      last = Date.now();
      note(line);
    },
    clear: () => undefined,
  };
}
