/**
 * Runs the suite: first all tests but those under faults, then those, in two processes beside each other, each with servers of
 * its own. The scenarios of processes mostly wait for time-outs of Temporal's, and the others compute meanwhile. So do a few
 * other tests, which run behind them.
 *
 * `--faults` runs only the latter. All other arguments go to mocha.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const NETWORK = ['test/faults/network/**/*.test.ts'];
const PROCESSES = ['test/faults/processes/**/*.test.ts'];
const WAITING = ['addingADatasetCommands', 'rebuildKills', 'secrets'].map(
  (name) => `test/integration/${name}.test.ts`,
);
const OTHERS = [
  'test/{fuzz,integration,replay,unit}/**/*.test.ts',
  ...WAITING.flatMap((file) => ['--ignore', file]),
];

const cwd = fileURLToPath(new URL('..', import.meta.url));
const mocha = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url));
const given = process.argv.slice(2);
const args = given.filter((arg) => arg !== '--faults');

/** @returns whether all of them passed */
async function beside([first, ...others]) {
  const running = [run(first, 'inherit'), ...others.map((files) => run(files, 'pipe'))];
  const passed = [];
  for (const one of running) {
    const { status, said } = await one;
    process.stdout.write(said);
    passed.push(status === 0);
  }
  return passed.every(Boolean);
}

/** @returns how it ended, and what was written where it is not shown as it comes */
async function run(files, shown) {
  const child = spawn(process.execPath, [mocha, ...files, ...args], {
    cwd,
    stdio: ['ignore', shown, 'inherit'],
  });
  let said = '';
  child.stdout?.on('data', (data) => (said += String(data)));
  const [status] = await once(child, 'close');
  return { status, said };
}

const onlyFaults = given.includes('--faults');
const others = onlyFaults || (await beside([OTHERS]));
const faults = await beside([NETWORK, onlyFaults ? PROCESSES : [...PROCESSES, ...WAITING]]);
if (!others || !faults) process.exitCode = 1;
