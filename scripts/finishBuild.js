/** Finishes a build: makes the commands executable, and bundles the workflows, so that a worker neither carries webpack in memory nor bundles at its start. */

import { chmod, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

const dist = new URL('../dist/', import.meta.url);
const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('workflows/index.js', dist)),
  logger: new DefaultLogger('WARN'),
  // Both of a worker's heaps keep the bundle as a string. Stack traces need the lines of its sources, not their text.
  webpackConfigHook: (config) => ({ ...config, devtool: 'inline-nosources-source-map' }),
});
// One character beyond Latin-1, in whatever comment, and every one of the string takes two bytes.
if (/\\[^\0-\xff]/.test(code)) throw new Error('a backslash before such a character cannot be escaped');
const narrow = code.replaceAll(
  /[^\0-\xff]/g,
  (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
);
// Renamed into place: a worker that starts at this moment reads the old bundle or the new one.
const half = new URL(`workflow-bundle.${process.pid}.js`, dist);
await writeFile(half, narrow);
await rename(half, new URL('workflow-bundle.js', dist));

// The commands of package.json's `bin` and of service managers: compilers leave them without the right to run.
for (const name of ['client.js', 'worker.js', 'rebuilder.js']) await chmod(new URL(name, dist), 0o755);
