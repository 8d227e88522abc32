/** A proxy before the S3 server that holds one chosen request: before it is sent on, in its body, or its answer. */

import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Where a request is held: not yet sent on; served, its answer not given; its answer's body given up to the middle; the
 * same, and from there on a little every few seconds.
 */
export type Place = 'request' | 'answer' | 'body' | 'drip';

/** Well below the 30 s after which a silent body is given up. */
const DRIP_MS = 5_000;

/** Which request. */
export interface Choice {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** The end of the object's key. */
  readonly key: string;
}

/** A request that is held, or will be. */
export interface Held {
  /** Resolves when it has come. */
  readonly reached: Promise<void>;
  /** Lets it go on, whether or not somebody still waits for its answer: it may have been under way for long. */
  release(): void;
  /** Resolves when the server has answered it. */
  readonly served: Promise<void>;
}

interface Rule extends Choice {
  readonly place: Place;
  readonly reach: () => void;
  readonly released: Promise<void>;
  readonly serve: () => void;
}

/** The proxy. */
export interface S3Gate {
  readonly endpoint: string;
  /** Holds the next request of this kind, one. */
  hold(place: Place, choice: Choice): Held;
  /** Every request waits this long before it is sent on, in milliseconds. */
  slow(ms: () => number): void;
  /** How often a status was answered. */
  answers(status: number): number;
  stop(): Promise<void>;
}

export async function startS3Gate(target: string): Promise<S3Gate> {
  const rules: Rule[] = [];
  const statuses: number[] = [];
  const sockets = new Set<Socket>();
  const agent = new Agent({ keepAlive: true });
  let latency: () => number = () => 0;
  const server = createServer((req, res) => {
    serve(req, res).catch(() => req.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const rule = takeRule(rules, req);
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const ms = latency();
    if (ms > 0) await delay(ms);
    if (rule?.place === 'request') await heldBy(rule);
    const answer = await ask(target, req, Buffer.concat(chunks), agent);
    statuses.push(answer.status);
    rule?.serve();
    if (rule?.place === 'answer') await heldBy(rule);
    res.writeHead(answer.status, answer.headers);
    const inBody = rule?.place === 'body' || rule?.place === 'drip';
    let given = inBody ? Math.floor(answer.body.length / 2) : 0;
    if (rule && inBody) {
      res.write(answer.body.subarray(0, given));
      const drip = setInterval(() => {
        if (rule.place === 'drip') res.write(answer.body.subarray(given, ++given));
      }, DRIP_MS);
      // Who asked may be killed meanwhile, and nobody lets the request go on then.
      res.once('close', () => clearInterval(drip));
      await heldBy(rule).finally(() => clearInterval(drip));
    }
    res.end(answer.body.subarray(given));
  }

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold(place, choice) {
      const reached = signal();
      const released = signal();
      const served = signal();
      rules.push({
        ...choice,
        place,
        reach: reached.give,
        released: released.given,
        serve: served.give,
      });
      return { reached: reached.given, release: released.give, served: served.given };
    },
    answers: (status) => statuses.filter((each) => each === status).length,
    slow: (ms) => (latency = ms),
    async stop() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function takeRule(rules: Rule[], req: IncomingMessage): Rule | undefined {
  const path = decodeURIComponent(new URL(req.url ?? '', 'http://s3').pathname);
  const index = rules.findIndex((rule) => rule.method === req.method && path.endsWith(rule.key));
  return index < 0 ? undefined : rules.splice(index, 1)[0];
}

async function heldBy(rule: Rule): Promise<void> {
  rule.reach();
  await rule.released;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function ask(target: string, req: IncomingMessage, body: Buffer, agent: Agent): Promise<Answer> {
  const onward = request(`${target}${req.url}`, { method: req.method, headers: req.headers, agent });
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}

function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give: () => give() };
}
