/** Temporal's runtime: its log, its metrics, and the signals that end a worker. */

import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Runtime, type RuntimeOptions } from '@temporalio/worker';
import { jsonLogger } from './jsonLog.ts';

/** Somebody may take a free port between the look and the use: so often it is tried. */
const PORT_TRIES = 5;

/**
 * Installs the runtime.
 *
 * @returns the loopback port on which the SDK's native core serves its metrics; absent where none are wanted
 */
export async function installRuntime(input: {
  readonly metrics: boolean;
  /** JSON lines, or the SDK's own form for a person at a terminal. */
  readonly log: 'json' | 'plain';
}): Promise<number | undefined> {
  const install = (port?: number): void => {
    Runtime.install({
      shutdownSignals: ['SIGINT', 'SIGTERM', 'SIGQUIT'],
      ...(input.log === 'json' && { logger: jsonLogger() }),
      telemetryOptions: {
        ...(input.log === 'json' && { logging: { forward: {} } }),
        ...(port !== undefined && { metrics: metricsAt(port) }),
      },
    });
  };
  if (!input.metrics) {
    install();
    return undefined;
  }
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    try {
      install(port);
      return port;
    } catch (error) {
      if (tries === PORT_TRIES) throw error;
    }
  }
}

function metricsAt(port: number): NonNullable<NonNullable<RuntimeOptions['telemetryOptions']>['metrics']> {
  return {
    prometheus: {
      bindAddress: `127.0.0.1:${port}`,
      countersTotalSuffix: true,
      unitSuffix: true,
      useSecondsForDurations: true,
    },
  };
}

/** The core does not tell on which port it listens, so that it has to be told. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
