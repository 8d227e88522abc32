/** An HTTP proxy before a real S3 server that does harm to the requests that it is told to. */

import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { startFake, type HttpFake } from '../httpFake.ts';

/** A request on its way. */
export interface S3Request {
  /** Of all requests since the count began, from 1. */
  readonly n: number;
  readonly method: string;
  /** The path without the bucket and the query: a key, or nothing for a listing. */
  readonly key: string;
  /** Whether the server copies from another key. */
  readonly copies: boolean;
}

/** What becomes of a request. */
export type S3Harm =
  | 'none'
  /** Its connection is reset before it arrives, or after it was carried out. */
  | 'cut'
  | 'lose the answer'
  /** It is carried out, and the answer never begins. */
  | 'stay silent'
  /** An answer of the proxy's own. */
  | { readonly status: number; readonly code: string }
  /** After this many bytes of the answer's body, and when that has come to pass: a reset, a clean end, silence. */
  | {
      readonly body: 'cut' | 'end' | 'stall';
      readonly after: number;
      readonly when?: () => Promise<void>;
    }
  /** After each so many bytes of the body, nothing for so many milliseconds. */
  | { readonly body: 'drip'; readonly bytes: number; readonly ms: number };

/** The proxy. */
export interface S3Proxy extends HttpFake {
  /** Asked for each request; it may do something first, such as to put another object. */
  rule: (request: S3Request) => S3Harm | Promise<S3Harm>;
  count: number;
  /** Requests that are under way. */
  open(): number;
  heal(): void;
}

const NO_HARM = (): S3Harm => 'none';

/** Starts one before the server at this URL. */
export async function startS3Proxy(target: string): Promise<S3Proxy> {
  let open = 0;
  const fake = await startFake((req, res) => {
    open += 1;
    res.once('close', () => (open -= 1));
    const n = (proxy.count += 1);
    const { pathname } = new URL(req.url ?? '/', target);
    const described = {
      n,
      method: req.method ?? '',
      key: decodeURIComponent(pathname.split('/').slice(2).join('/')),
      copies: 'x-amz-copy-source' in req.headers,
    };
    void Promise.resolve(proxy.rule(described)).then((harm) => answer(target, req, res, harm));
  });
  const proxy: S3Proxy = {
    ...fake,
    rule: NO_HARM,
    count: 0,
    open: () => open,
    heal: () => void (proxy.rule = NO_HARM),
  };
  return proxy;
}

function answer(target: string, req: IncomingMessage, res: ServerResponse, harm: S3Harm): void {
  if (harm === 'cut') {
    req.socket.resetAndDestroy();
    return;
  }
  if (typeof harm === 'object' && 'status' in harm) {
    req.resume();
    res.writeHead(harm.status, { 'content-type': 'application/xml' });
    res.end(
      req.method === 'HEAD'
        ? ''
        : `<?xml version="1.0"?><Error><Code>${harm.code}</Code><Message>m</Message></Error>`,
    );
    return;
  }
  const { method, headers } = req;
  const onward = request(`${target}${req.url}`, { method, headers, agent: false }, (reply) => {
    if (harm === 'lose the answer') {
      reply.resume();
      reply.once('end', () => req.socket.resetAndDestroy());
    } else if (harm === 'stay silent') reply.resume();
    else void passBody(reply, req, res, typeof harm === 'object' ? harm : undefined);
  });
  onward.once('error', () => req.socket.destroy());
  req.pipe(onward);
}

type BodyHarm = Extract<S3Harm, { body: string }>;

async function passBody(
  reply: IncomingMessage,
  req: IncomingMessage,
  res: ServerResponse,
  harm: BodyHarm | undefined,
): Promise<void> {
  res.writeHead(reply.statusCode ?? 0, reply.headers);
  if (!harm) {
    reply.pipe(res);
    return;
  }
  let sent = 0;
  let pauses = 0;
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      const room = harm.body === 'drip' ? Number.POSITIVE_INFINITY : harm.after - sent;
      const passed = chunk.subarray(0, room);
      await new Promise((resolve) => res.write(passed, resolve));
      sent += passed.length;
      if (harm.body === 'drip' && sent >= (pauses + 1) * harm.bytes) {
        pauses += 1;
        await new Promise((resolve) => setTimeout(resolve, harm.ms));
      }
      if (passed.length === chunk.length) continue;
      reply.destroy();
      if (harm.body !== 'drip') await harm.when?.();
      if (harm.body === 'cut') req.socket.resetAndDestroy();
      if (harm.body === 'end') req.socket.end();
      return;
    }
    res.end();
  } catch {
    req.socket.destroy();
  }
}
