/** `npm run demo`: the main job on real servers and a realistic stream, up to a second run that changes nothing. */

import { parseArgs } from 'node:util';
import { buildAndStart, runMainJob } from './demo/mainJob.ts';
import { bold, dim, green, red, say, seconds } from './demo/terminal.ts';
import type { Stack } from './embedded.ts';
import { aborted, interruption, INTERRUPTED } from './interruption.ts';

const USAGE = `npm run demo [-- --keep]

  --keep   leave the servers, the worker and the schedule up until Ctrl-C`;

const interrupt = interruption();
let stack: Stack | undefined;
let isDone = false;
const endedEarly = aborted(interrupt).then(() => (isDone ? 0 : INTERRUPTED));
const status = await Promise.race([demo().catch(complain), endedEarly]);
if (interrupt.aborted) say(dim('\nStopping everything ...'));
// A stack that is only just starting, and a command that still runs, end with this process.
await stack?.stop();
process.exit(status);

/** @returns the exit status: 0 only where everything came out as expected. */
async function demo(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean' }, help: { type: 'boolean' } } });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const started = performance.now();
  say(bold('Tidemark: a change stream of CSV files, from S3 into PostgreSQL, on a Temporal schedule'));
  stack = await buildAndStart(interrupt);
  const url = await runMainJob(stack, interrupt);
  const took = seconds((performance.now() - started) / 1000);
  say(`\n${green('All as expected')}, in ${took}. The scheduled run in the Temporal UI:\n     ${bold(url)}`);
  isDone = true;
  if (values.keep) await keepUp(stack);
  else say(dim('     (gone with the server now: npm run demo -- --keep leaves all of it up)'));
  return 0;
}

/** Shows how to get at everything, and waits for Ctrl-C. */
async function keepUp({ env, directory }: Stack): Promise<void> {
  say('\nEverything stays up, the schedule too. To use it from another terminal:\n');
  for (const [name, value] of Object.entries(env)) say(`export ${name}='${value}'`);
  say(`\nLogs and data are in ${directory}.`);
  say('Ctrl-C stops all of it and removes the data.');
  await aborted(interrupt);
}

function complain(error: unknown): number {
  // Whatever fails after Ctrl-C fails because of it.
  if (interrupt.aborted) return INTERRUPTED;
  say(`\n${red('Failed')}: ${messages(error).join('\n  because: ')}`);
  return 1;
}

/** What an error says, and what the errors say that caused it. */
function messages(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...messages(error.cause)] : [];
}
