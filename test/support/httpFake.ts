import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A real HTTP server for answers that no good server gives. */
export interface HttpFake {
  readonly endpoint: string;
  /** Connections that were opened, ever. */
  readonly opened: () => number;
  /** Settles once no connection is open. */
  allClosed(): Promise<void>;
  stop(): Promise<void>;
}

export async function startFake(answer: RequestListener): Promise<HttpFake> {
  const server = createServer(answer);
  const sockets = new Set<Socket>();
  let opened = 0;
  server.on('connection', (socket) => {
    opened++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    opened: () => opened,
    allClosed: async () => void (await Promise.all([...sockets].map((socket) => once(socket, 'close')))),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * What becomes of one request on its way: nothing special; its connection is cut before or after it was served; or it is
 * not served, and its answer begins as a success and ends with an error, as S3's answer to a copy may.
 */
export type Fate = 'pass' | 'cut before' | 'cut after' | 'fail in a 200';

const ERROR = '<?xml version="1.0"?>\n\n<Error><Code>InternalError</Code><Message>later</Message></Error>';

/** A proxy before a real server that cuts connections where it is told to. */
export function startCutter(
  target: string,
  fateOf: (req: IncomingMessage) => Fate | Promise<Fate>,
): Promise<HttpFake> {
  return startFake((req, res) => {
    void Promise.resolve(fateOf(req)).then((fate) => {
      if (fate === 'cut before') req.socket.destroy();
      else if (fate === 'fail in a 200') res.writeHead(200).end(ERROR);
      else forward(target, req, res, fate);
    });
  });
}

function forward(target: string, req: IncomingMessage, res: ServerResponse, fate: Fate): void {
  const { method, headers } = req;
  const onward = request(`${target}${req.url}`, { method, headers, agent: false }, (answer) => {
    if (fate === 'cut after') {
      answer.resume();
      answer.once('end', () => req.socket.destroy());
      return;
    }
    res.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(res);
  });
  onward.once('error', () => req.socket.destroy());
  req.pipe(onward);
}
