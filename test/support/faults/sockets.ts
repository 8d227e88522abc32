/** Which sockets processes hold, as Linux lists them: a silent peer does not hear of a close, and a driver may not say. */

import { readFile } from 'node:fs/promises';

/** @returns the local ports of the IPv4 sockets that some process holds and that are connected to this port */
export async function socketsHeld(peerPort: number): Promise<ReadonlySet<number>> {
  const [, ...lines] = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n');
  const held = new Set<number>();
  for (const line of lines) {
    const [, local = '', peer = '', , , , , , , inode] = line.trim().split(/\s+/);
    // One that is closed here and waits for its peer belongs to nobody.
    if (portOf(peer) === peerPort && inode !== '0') held.add(portOf(local));
  }
  return held;
}

/** Of an address and a port in hexadecimal. */
function portOf(end: string): number {
  return Number.parseInt(end.split(':')[1] ?? '', 16);
}
