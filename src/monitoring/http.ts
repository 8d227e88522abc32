/** The worker's HTTP: a few paths that are read. No body is taken, nothing is changed by a request. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TidemarkFailure } from '../domain/failures.ts';

/** What a path answers. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** A path's answer, made anew for each request. */
export type Routes = Readonly<Record<string, () => Promise<Answer>>>;

/** A server that listens. */
export interface HttpEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** Scrapers and probes are few; who opens more waits. */
const MAX_CONNECTIONS = 64;
/** For a request to arrive, milliseconds. */
const REQUEST_MS = 5_000;

/** Listens. @param host absent: on all addresses. @throws TidemarkFailure BadRequest where the port is not to be had */
export async function listen(
  { port, host }: { readonly port: number; readonly host: string | undefined },
  routes: Routes,
): Promise<HttpEndpoint> {
  const server = createServer(
    { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_MS },
    (request, response) => void respond(routes, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? { code: String(error.code) } : {};
    throw new TidemarkFailure(
      'BadRequest',
      `cannot serve metrics and health on port ${port}`,
      code,
      'Check TIDEMARK_HTTP_PORT and TIDEMARK_HTTP_HOST',
    );
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function respond(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, type, body } = await answerOf(routes, request);
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

async function answerOf(routes: Routes, { method, url }: IncomingMessage): Promise<Answer> {
  const [path = ''] = (url ?? '').split('?');
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return text(404, `there is ${Object.keys(routes).join(', ')}\n`);
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'GET and HEAD only\n');
  try {
    return await route();
  } catch {
    // Whatever it was, its message is not for the network.
    return text(500, 'a defect of Tidemark\n');
  }
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body };
}
