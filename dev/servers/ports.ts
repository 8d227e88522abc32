/** Free loopback ports that two stacks starting at once can't both pick. */

import { createServer, type Server } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** Ports reserved for one server. */
export interface PortBlock {
  readonly ports: readonly number[];
  /** Lets another stack have them. */
  release(): void;
}

/** One guard port and the seven that it stands for. */
const BLOCK = 8;
/** Below the ephemeral ranges of Linux (32768) and macOS (49152), so that no outgoing connection takes a port. */
const FIRST = 20_000;
const BLOCKS = 1_500;
/** A machine on which so many blocks in a row are taken has another problem. */
const TRIES = 50;

/**
 * Reserves ports: our process listens on a block's first port for as long as it holds the block, and the others are
 * tried. The operating system gives the guard back when the process dies, however it dies.
 *
 * @param count 1 to 7.
 */
export async function claimPorts(count: number): Promise<PortBlock> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const first = FIRST + BLOCK * Math.floor(Math.random() * BLOCKS);
    const guard = await listen(first);
    if (!guard) continue;
    const ports = Array.from({ length: count }, (_, index) => first + 1 + index);
    if (await allFree(ports)) return { ports, release: () => guard.close() };
    guard.close();
  }
  throw new Error(`found no ${count} free ports on ${LOOPBACK} in ${TRIES} tries`);
}

async function allFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (!server) return false;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
  return true;
}

/** Listens, without keeping the process alive; `undefined` where the port is taken. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    );
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => resolve(server.unref()));
  });
}
