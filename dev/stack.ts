/** `npm run stack`: the embedded servers alone, kept up until Ctrl-C. */

import { startStack, type Stack } from './embedded.ts';
import { aborted, interruption, INTERRUPTED } from './interruption.ts';

const say = (line = ''): void => void process.stdout.write(`${line}\n`);
const interrupt = interruption();

process.exit(await main().catch(complain));

/** @returns the exit status */
async function main(): Promise<number> {
  const started = performance.now();
  say('Starting Temporal, PostgreSQL 18 and S3 on free loopback ports ...');
  const starting = startStack({ ui: true, onProgress: (message) => say(`  ${message}`) });
  const stack = await Promise.race([starting, aborted(interrupt)]);
  // What there is of a stack that is only just starting ends with this process.
  if (!stack) return INTERRUPTED;
  show(stack);
  say(
    `Up in ${((performance.now() - started) / 1000).toFixed(1)} s. Ctrl-C stops all of it and removes the data.`,
  );
  await aborted(interrupt);
  say('\nStopping ...');
  await stack.stop();
  return 0;
}

function show(stack: Stack): void {
  say();
  for (const [name, value] of Object.entries(stack.env)) say(`export ${name}='${value}'`);
  say();
  say(`Temporal UI   ${stack.temporalUi}`);
  say(`Logs, data    ${stack.directory}`);
  say();
}

function complain(error: unknown): number {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}
