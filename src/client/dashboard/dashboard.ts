import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvalidArgumentError, type Command } from 'commander';
import { ENABLED } from '../../datasets/index.ts';
import { describeProblem, Problem } from '../problem.ts';
import { withServers, type Servers } from '../servers.ts';
import { note, print, printable } from '../terminal.ts';
import { page } from './page.ts';
import { isLoopback, pageServer } from './server.ts';
import { watch } from './snapshot.ts';
import { runLinks } from './temporalUi.ts';

/** Beside nothing that Temporal, PostgreSQL or Prometheus use by default. */
const DEFAULT_PORT = 4280;
const DEFAULT_EVERY_S = 10;

interface Options {
  readonly host: string;
  readonly port: number;
  readonly every: number;
  readonly temporalUi?: string;
}

/** `dashboard` */
export function addDashboard(program: Command): void {
  program
    .command('dashboard')
    .summary('a read-only page that shows all of it and updates itself')
    .description(
      'Serves a page until it is interrupted: what needs a person, freshness, files, rejects by line and column. It ' +
        'has no login: on another host than loopback, whoever reaches the port reads keys and counts (no values of rows).',
    )
    .option('--port <n>', 'port to listen on; 0 for any free one', port, DEFAULT_PORT)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--every <seconds>', 'shortest time between two looks', seconds, DEFAULT_EVERY_S)
    .option(
      '--temporal-ui <url>',
      "base URL of Temporal's web UI, for links (also TIDEMARK_TEMPORAL_UI)",
      url,
    )
    .addHelpText('after', '\nExample:\n  $ tidemark dashboard --port 8080')
    .action((options: Options) => withServers((servers) => serve(servers, options)));
}

async function serve(servers: Servers, { host, port, every, temporalUi }: Options): Promise<void> {
  const everyMs = every * 1000;
  const { config } = servers;
  // The worker's driver: this process lives long, and no fault of a connection may end it (docs/decisions/0002).
  const watched = watch({ db: servers.pool(), store: servers.store }, ENABLED, {
    everyMs,
    describe: (error) => describeProblem(error, config),
  });
  const runLink = runLinks(config, temporalUi);
  const server = pageServer(host, async () =>
    page({
      views: await watched.current(),
      look: { at: Date.now(), silentAfter: config.silentAfter },
      everyMs,
      bucket: config.s3.bucket,
      runLink,
    }),
  );
  await listen(server, host, port);
  const { port: bound } = server.address() as AddressInfo;
  print(`http://${host.includes(':') ? `[${host}]` : host}:${bound}/`);
  if (!isLoopback(host)) note('no login: whoever reaches this port reads keys and counts');
  await interrupted();
  server.close();
  server.closeAllConnections();
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no code';
    throw new Problem(
      `cannot listen on ${printable(host)} port ${port} [${code}]. Choose others: --host, --port`,
    );
  }
}

async function interrupted(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

function port(text: string): number {
  return within(text, 0, 65_535);
}

function seconds(text: string): number {
  return within(text, 1, 3_600);
}

/** @throws InvalidArgumentError, which is a usage error */
function within(text: string, least: number, most: number): number {
  const n = Number(text);
  if (/^\d+$/.test(text) && n >= least && n <= most) return n;
  throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
}

/** @throws InvalidArgumentError, which is a usage error */
function url(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError('It must be an http(s) URL.');
}
