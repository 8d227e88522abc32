/** `npm run stack`: the embedded servers alone, kept up until Ctrl-C. */

import { startStack } from './embedded.ts';

const started = Date.now();
const say = (line = ''): void => console.log(line);

say('Starting Temporal, PostgreSQL 18 and S3 on free loopback ports ...');
const interrupted = new Promise<void>((resolve) => {
  // `on`, not `once`: npm and tsx pass the terminal's signal on, so that it may come twice.
  process.on('SIGINT', resolve);
  process.on('SIGTERM', resolve);
});

try {
  const stack = await startStack({ ui: true, onProgress: (message) => say(`  ${message}`) });
  say();
  for (const [name, value] of Object.entries(stack.env)) say(`export ${name}='${value}'`);
  say();
  say(`Temporal UI   ${stack.temporalUi}`);
  say(`Logs, data    ${stack.directory}`);
  say();
  say(`Up in ${((Date.now() - started) / 1000).toFixed(1)} s. Ctrl-C stops all of it and removes the data.`);
  // Nothing else keeps this process alive: the servers are children that it does not wait for.
  const alive = setInterval(() => undefined, 60_000);
  await interrupted;
  clearInterval(alive);
  say('\nStopping ...');
  await stack.stop();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
