/** A TCP proxy before PostgreSQL that reads the client's messages and does harm where it is told to. */

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A message on its way from a client to PostgreSQL. */
export interface ClientMessage {
  /** Of all messages of all connections since the count began, from 1. */
  readonly n: number;
  /** The protocol's letter: `Q` query, `P` parse, `d` COPY data …; empty for the one that opens a connection. */
  readonly type: string;
  /** The whole message as text, of a bind with its statement; for what it may hold, not to be parsed. */
  readonly text: () => string;
}

/**
 * What becomes of a message: it is passed on; it and its connection are cut (RST both ways) before it arrives, or in its
 * middle; it arrives, and the connection is cut when its answer comes; from it on nothing passes, and nothing is closed.
 */
export type Harm = 'none' | 'cut' | 'cut in the middle' | 'lose the answer' | 'stall';

/** The proxy. */
export interface PostgresProxy {
  readonly port: number;
  /** Asked for each message, in order. */
  rule: (message: ClientMessage) => Harm | Promise<Harm>;
  /**
   * Whether the server, too, hears nothing of a silent client's end, as when a network is parted: what that client had
   * locked stays locked for the 30 s that a transaction may be idle. Default false: the server hears of it.
   */
  parted: boolean;
  /** Messages passed since the count began. */
  count: number;
  /** Connections that a client has open. */
  open(): number;
  /** The clients' own ports of the connections that have become silent, and whose end was not seen here. */
  silentPorts(): readonly number[];
  /** Cuts all connections. */
  cutAll(): void;
  /** Makes all connections silent, as a network that is gone. */
  stallAll(): void;
  /** Ends all harm: stalled connections are cut. */
  heal(): void;
  /** Stops listening: who connects is refused. */
  refuse(): Promise<void>;
  /** Listens again, on the same port. */
  admit(): Promise<void>;
  stop(): Promise<void>;
}

const NO_HARM = (): Harm => 'none';

/** Starts one before a server on the loopback. */
export async function startPostgresProxy(targetPort: number): Promise<PostgresProxy> {
  /** Those that a client has open, and all whose sockets are. */
  const links = new Set<Link>();
  const all = new Set<Link>();
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const link = new Link(client, targetPort, proxy);
    links.add(link);
    all.add(link);
    // A silent link answers no farewell, so of a client that has said his nothing more is heard.
    client.once('end', () => link.stalled && links.delete(link));
    client.once('close', () => {
      links.delete(link);
      all.delete(link);
    });
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const proxy: PostgresProxy = {
    port,
    rule: NO_HARM,
    parted: false,
    count: 0,
    open: () => links.size,
    silentPorts: () => [...all].filter(({ stalled }) => stalled).map(({ clientPort }) => clientPort),
    cutAll: () => links.forEach((link) => link.cut()),
    stallAll: () => links.forEach((link) => link.stall()),
    heal: () => {
      proxy.rule = NO_HARM;
      proxy.parted = false;
      for (const link of all) if (link.stalled) link.cut();
    },
    refuse: async () => void server.close(),
    admit: () => listen(port),
    stop: async () => {
      const closed = server.listening ? once(server, 'close') : undefined;
      server.close();
      for (const link of all) link.cut();
      await closed;
    },
  };
  return proxy;
}

/** One connection through the proxy. */
class Link {
  stalled = false;
  readonly clientPort: number;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #proxy: PostgresProxy;
  #buffer = Buffer.alloc(0);
  #opened = false;
  /** The texts of prepared statements, by name. */
  readonly #statements = new Map<string, string>();
  #dropsAnswer = false;
  #forwarding: Promise<void> = Promise.resolve();

  constructor(client: Socket, targetPort: number, proxy: PostgresProxy) {
    this.#client = client;
    this.clientPort = client.remotePort ?? 0;
    this.#proxy = proxy;
    this.#server = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    for (const socket of [this.#client, this.#server]) socket.on('error', () => undefined);
    // One after the other: a rule may take its time.
    client.on('data', (bytes: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, bytes]);
      client.pause();
      this.#forwarding = this.#forwarding.then(() => this.#forward()).then(() => void client.resume());
    });
    this.#server.on('data', (bytes: Buffer) => {
      if (this.stalled) return;
      if (this.#dropsAnswer) this.cut();
      else if (!client.write(bytes)) {
        this.#server.pause();
        client.once('drain', () => this.#server.resume());
      }
    });
    client.once('close', () => {
      if (!this.stalled || !proxy.parted) this.#server.destroy();
    });
    client.once('end', () => {
      if (!this.stalled || !proxy.parted) void this.#forwarding.then(() => this.#server.end());
    });
    this.#server.once('end', () => {
      if (!this.stalled) client.end();
    });
    this.#server.once('close', () => {
      if (!this.stalled) client.destroy();
    });
  }

  cut(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  /** Reads on and throws away, so that a client who closes is seen to. */
  stall(): void {
    this.stalled = true;
  }

  async #forward(): Promise<void> {
    for (let message = this.#take(); message && !this.stalled; message = this.#take()) {
      const { bytes, type } = message;
      const n = (this.#proxy.count += 1);
      const statement = this.#statementOf(type, bytes);
      const text = (): string => `${bytes.toString('latin1')}${statement}`;
      const harm = await this.#proxy.rule({ n, type, text });
      if (harm === 'stall') this.stall();
      if (harm === 'cut') this.cut();
      if (harm === 'lose the answer') this.#dropsAnswer = true;
      if (harm === 'cut in the middle') {
        const half = bytes.subarray(0, Math.ceil(bytes.length / 2));
        await new Promise((resolve) => this.#server.write(half, resolve));
        this.cut();
      }
      if (this.stalled || this.#client.destroyed) break;
      if (!this.#server.write(bytes))
        await Promise.race([once(this.#server, 'drain'), once(this.#server, 'close')]);
    }
    if (this.stalled) this.#buffer = Buffer.alloc(0);
  }

  /** Remembers what is parsed. @returns the statement that a bind is of */
  #statementOf(type: string, bytes: Buffer): string {
    if (type !== 'P' && type !== 'B') return '';
    const [first = '', second = ''] = bytes.toString('latin1', 5).split('\0', 2);
    if (type === 'B') return this.#statements.get(second) ?? '';
    this.#statements.set(first, second);
    return '';
  }

  /** The next whole message, if it is there. */
  #take(): { bytes: Buffer; type: string } | undefined {
    const lead = this.#opened ? 1 : 0;
    if (this.#buffer.length < lead + 4) return undefined;
    const length = lead + this.#buffer.readUInt32BE(lead);
    if (this.#buffer.length < length) return undefined;
    const bytes = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    const type = this.#opened ? String.fromCharCode(bytes[0] ?? 0) : '';
    this.#opened = true;
    return { bytes, type };
  }
}
