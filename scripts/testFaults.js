/**
 * Runs the tests under faults in two processes beside each other, each with servers of its own: those of processes mostly
 * wait for time-outs of Temporal's, and the others compute meanwhile. Arguments go to mocha.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const cwd = fileURLToPath(new URL('..', import.meta.url));
const mocha = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url));
const HALVES = [
  ['test/faults/input/**/*.test.ts', 'test/faults/network/**/*.test.ts'],
  ['test/faults/processes/**/*.test.ts'],
];

/** @returns whether all of them passed, and what was written, where it is not shown as it comes */
async function run(files, shown) {
  const args = [mocha, ...files, ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', shown, 'inherit'] });
  let said = '';
  child.stdout?.on('data', (data) => (said += String(data)));
  const [status] = await once(child, 'close');
  return { passed: status === 0, said };
}

const [first, second] = await Promise.all([run(HALVES[0], 'inherit'), run(HALVES[1], 'pipe')]);
process.stdout.write(second.said);
if (!first.passed || !second.passed) process.exitCode = 1;
