/** The HTTP server: four read-only resources, none of them from elsewhere. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';

const ASSETS = new URL('../../../page/', import.meta.url);

const STATIC: Readonly<Record<string, string>> = {
  '/page.css': 'text/css; charset=utf-8',
  '/page.js': 'text/javascript; charset=utf-8',
  '/icon.svg': 'image/svg+xml',
};

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  // What it says is true for seconds, and names keys.
  'Cache-Control': 'no-store',
};

/** Names under which a browser on this machine reaches loopback. */
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Whether only this machine can connect to this address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Makes the server; it does not listen yet. @param render makes the page */
export function pageServer(host: string, render: () => Promise<string>): Server {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      // Nothing that is asked for quotes a foreign message; a defect ends one answer, not the process.
      if (response.headersSent) response.destroy();
      else send(response, 500, 'text/plain', 'a defect of Tidemark: this page cannot be made\n');
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A name that somebody else's DNS lets point here makes their page the same origin as this one.
    if (isLoopback(host) && !isLocalName(request.headers.host)) {
      return send(response, 421, 'text/plain', 'ask for localhost or 127.0.0.1\n');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return send(response, 405, 'text/plain', 'this page is read-only\n');
    }
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path === '/') return send(response, 200, 'text/html; charset=utf-8', await render());
    const type = STATIC[path];
    if (type === undefined) return send(response, 404, 'text/plain', 'there is no such page; try /\n');
    send(response, 200, type, await readFile(new URL(`.${path}`, ASSETS)));
  }
  return server;
}

function isLocalName(header: string | undefined): boolean {
  return LOOPBACK_NAMES.has((header ?? '').replace(/:\d+$/, '').toLowerCase());
}

/** To a HEAD, node sends no body. */
function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
