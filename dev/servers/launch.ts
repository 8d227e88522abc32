/** What the three servers' files share: their surroundings, their ports and their environment. */

import { claimPorts, type PortBlock } from './ports.ts';
import { ServerFailed, type Server } from './server.ts';
import type { Watchdog } from './watchdog.ts';

/** Where a server lives and whom it tells. */
export interface Surroundings {
  /** The stack's directory, removed at the end; open to be passed through by other users. */
  readonly directory: string;
  readonly watchdog: Watchdog;
  readonly onProgress: (message: string) => void;
}

/** A server and its ports, which stay ours while it is stopped. */
export interface Placed {
  readonly server: Server;
  readonly ports: PortBlock;
}

/** Somebody else took a port between our look and the server's bind: rare, and rarer twice. */
const BIND_TRIES = 4;
const PORT_TAKEN = /address already in use/i;

/** Starts a server on free ports, and again on others where one of them was taken meanwhile. */
export async function onFreePorts(
  count: number,
  start: (ports: readonly number[]) => Promise<Server>,
): Promise<Placed> {
  for (let attempt = 1; ; attempt++) {
    const ports = await claimPorts(count);
    try {
      return { server: await start(ports.ports), ports };
    } catch (error) {
      ports.release();
      const taken = error instanceof ServerFailed && PORT_TAKEN.test(error.log);
      if (!taken || attempt === BIND_TRIES) throw error;
    }
  }
}

/** Ends a server for good and gives its ports back. */
export async function remove(placed: Placed): Promise<void> {
  await placed.server.stop();
  placed.ports.release();
}

/**
 * Our environment without what would reach into a server or a client of the stack: the user's own AWS, PostgreSQL,
 * Temporal, gateway and Tidemark settings.
 */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(AWS_(?!SDK_JS_)|PG|TEMPORAL_|TIDEMARK_|VGW_|ROOT_(ACCESS|SECRET)_|S3_|DATABASE_URL$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}
