/** Ends what we started, even where our own process is killed. */

import { spawn } from 'node:child_process';

/** A small shell of its own session that cleans up as soon as our end of its standard input is closed. */
export interface Watchdog {
  /** Adds a process group, to be ended with this signal. */
  watch(pid: number, signal: NodeJS.Signals): void;
  /** Takes a process group off the list: it has ended. */
  forget(pid: number): void;
  /** Ends all groups that are still watched, removes the directory and resolves when that is done. */
  finish(): Promise<void>;
}

/**
 * The operating system closes the pipe when our process ends, by whatever means (SIGKILL too), and `read` then fails.
 * Each group first gets its own signal, three seconds later SIGKILL. `ulimit -c 0`: no core files.
 */
const SCRIPT = `
directory=$1
groups=''
ulimit -c 0
while read -r verb group signal; do
  case $verb in
    watch) groups="$groups $group:$signal" ;;
    forget)
      kept=''
      for each in $groups; do [ "\${each%:*}" = "$group" ] || kept="$kept $each"; done
      groups=$kept ;;
  esac
done
alive() { for each in $groups; do kill -0 -"\${each%:*}" 2>/dev/null && return 0; done; return 1; }
for each in $groups; do kill -"\${each#*:}" -"\${each%:*}" 2>/dev/null; done
tries=0
while alive && [ $tries -lt 60 ]; do sleep 0.05; tries=$((tries + 1)); done
for each in $groups; do kill -KILL -"\${each%:*}" 2>/dev/null; done
rm -rf "$directory" || { sleep 1; rm -rf "$directory"; }
`;

/** Starts the watchdog of one stack. `directory` is removed at the end. */
export function startWatchdog(directory: string): Watchdog {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'tidemark-watchdog', directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  const ended = new Promise<void>((resolve, reject) => {
    shell.once('exit', () => resolve());
    shell.once('error', reject);
  });
  // Reported by finish(); without a handler it would end the process as soon as it happens.
  ended.catch(() => undefined);
  // EPIPE where somebody killed the watchdog: finish() then finds it gone.
  shell.stdin.on('error', () => undefined);
  shell.unref();
  return {
    watch: (pid, signal) => void shell.stdin.write(`watch ${pid} ${signal.slice('SIG'.length)}\n`),
    forget: (pid) => void shell.stdin.write(`forget ${pid}\n`),
    finish: async () => {
      shell.ref();
      shell.stdin.end();
      await ended;
    },
  };
}
