/** A verb that acts, as a person types it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { World } from './world.ts';

/**
 * Types a verb, by default `rebuild inc`, on a terminal of its own, and an answer, or does something else, once it is
 * asked, or has said something else.
 */
export async function onTerminal(
  world: World,
  answer: string | ((type: (text: string) => void) => Promise<unknown>),
  verb = 'rebuild inc',
  asked = '[y/N] ',
): Promise<{ readonly status: number | null; readonly said: string }> {
  const command = `${process.execPath} --import tsx src/client.ts ${verb} --reason because`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...world.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  let answered = false;
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
    if (answered || !said.includes(asked)) return;
    answered = true;
    if (typeof answer === 'string') child.stdin.write(answer);
    else void answer((text) => child.stdin.write(text));
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, said };
}
