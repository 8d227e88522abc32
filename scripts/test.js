/**
 * Runs the suite: builds once, then runs the groups below, two at a time, each in a process and with servers of its own. Most
 * tests wait for a server or for a time-out rather than compute. Those under faults wait most, and are begun together.
 *
 * What a group says is printed when it has ended; what failed is said once more at the end. A group that does not end by
 * itself is ended, and has failed. `--faults` runs only the groups under faults. All other arguments go to mocha.
 */

import { fileURLToPath } from 'node:url';
import { run } from './bounded.js';

/** Waits for time-outs of Temporal's, or for processes, more than it computes. */
const WAITING = ['addingADatasetCommands', 'rebuildKills', 'secrets'];

/** The longest group needs a third of it on a busy machine; the long form of faults goes on for as long as it is told. */
const GROUP_MS = process.env.FAULTS_SECONDS === undefined ? 30 * 60_000 : 24 * 3600_000;

/** In the order in which they are begun. */
const GROUPS = [
  { name: 'faults of processes', files: ['test/faults/processes/**/*.test.ts'], faults: true },
  { name: 'faults of the network, a to o', files: ['test/faults/network/[a-o]*.test.ts'], faults: true },
  { name: 'faults of the network, p to r', files: ['test/faults/network/[p-r]*.test.ts'], faults: true },
  { name: 'faults of the network, s to z', files: ['test/faults/network/[s-z]*.test.ts'], faults: true },
  {
    name: 'integration, a to d',
    files: ['test/integration/[a-d]*.test.ts', ...ignoring(WAITING)],
  },
  {
    name: 'integration, e to z',
    files: ['test/integration/[e-z]*.test.ts', ...ignoring(WAITING)],
  },
  { name: 'integration, what waits', files: WAITING.map((name) => `test/integration/${name}.test.ts`) },
  { name: 'fuzz, replay and units', files: ['test/{fuzz,replay,unit}/**/*.test.ts'] },
];
const cwd = fileURLToPath(new URL('..', import.meta.url));
const mocha = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url));
const given = process.argv.slice(2);
const args = given.filter((arg) => arg !== '--faults');
const waiting = given.includes('--faults') ? GROUPS.filter(({ faults }) => faults) : [...GROUPS];

const isOfFaults = ({ faults }) => faults;

/** @param {string[]} names of integration tests */
function ignoring(names) {
  return names.flatMap((name) => ['--ignore', `test/integration/${name}.test.ts`]);
}

/** Runs one group after the other until none of those that it may take is left. @returns what failed, in mocha's words */
async function work(mayTake = () => true) {
  const failed = [];
  const next = () => {
    const at = waiting.findIndex(mayTake);
    return at < 0 ? undefined : waiting.splice(at, 1)[0];
  };
  for (let group = next(); group; group = next()) {
    const started = performance.now();
    const { status, said } = await run([process.execPath, mocha, ...group.files, ...args], {
      cwd,
      // The tests' own build has nothing to do.
      env: { ...process.env, TIDEMARK_BUILT: 'yes' },
      ms: GROUP_MS,
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stdout.write(`\n${group.name}: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s\n${said}`);
    if (status === 0) continue;
    const summary = said.search(/^ {2}\d+ passing/m);
    failed.push(`${group.name} (status ${status}):\n${said.slice(summary === -1 ? -4000 : summary)}`);
  }
  return failed;
}

const build = await run(['npm', 'run', '--silent', 'build'], { cwd, env: process.env, ms: GROUP_MS });
if (build.status !== 0) {
  process.stdout.write(`the build failed:\n${build.said}`);
  process.exit(1);
}
const failed = (await Promise.all([work(), work(), work(isOfFaults), work(isOfFaults)])).flat();
if (failed.length > 0) {
  process.stdout.write(`\nFAILED: ${failed.join('\n')}`);
  process.exitCode = 1;
}
