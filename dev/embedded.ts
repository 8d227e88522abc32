/** The embedded stack: real servers on free loopback ports, gone without a trace when their owner is. */

import { chmod, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cleanEnvironment, remove, type Placed, type Surroundings } from './servers/launch.ts';
import { startPostgres, type PostgresOptions, type PostgresServer } from './servers/postgres.ts';
import { startS3, type S3Server } from './servers/s3.ts';
import { startServer, type Server, type ServerSpec } from './servers/server.ts';
import { startTemporal, type TemporalServer } from './servers/temporal.ts';
import { startWatchdog } from './servers/watchdog.ts';

type ServerName = 'temporal' | 'postgres' | 's3';

/** What to start, and where. */
export interface StackOptions {
  /** Default all three. */
  readonly servers?: readonly ServerName[];
  /** Whether Temporal has its web UI; default not, which starts faster. */
  readonly ui?: boolean;
  /** Whether Temporal keeps its state in a file, so that it can be stopped and started again; default not. */
  readonly temporalOutlivesRestart?: boolean;
  /** Settings of Temporal's dynamic configuration, `key=value`. */
  readonly temporalSettings?: readonly string[];
  /** The stack makes its own directory in this one and removes it at the end; default the system's temporary one. */
  readonly directory?: string;
  /** For tests: another version of PostgreSQL, or a small disk. */
  readonly postgres?: PostgresOptions;
  /** Gets a line for what takes long and for each server that is up; default nobody. */
  readonly onProgress?: (message: string) => void;
}

/** Servers that are up and ready. */
export interface Stack {
  /** What the worker and the client need to reach them; nothing for servers that were not asked for. */
  readonly env: Readonly<Record<string, string>>;
  /** Base URL of Temporal's web UI; empty where it was not asked for. */
  readonly temporalUi: string;
  /** Connects to the same database as PostgreSQL's superuser; empty where PostgreSQL was not asked for. */
  readonly adminDatabaseUrl: string;
  /** To stop and start one of them, as a test of faults does. */
  readonly servers: Readonly<Partial<Record<ServerName, Server>>>;
  /** The servers' logs and data. */
  readonly directory: string;
  /** What `findProgram` wants, to run the Temporal CLI against the stack, say. */
  readonly surroundings: Surroundings;
  /** Starts a further process, such as a worker, that ends with the stack. */
  add(spec: Omit<ServerSpec, 'logFile'>): Promise<Server>;
  /** Ends all of it and removes the directory; may be called again. */
  stop(): Promise<void>;
}

/**
 * Starts the servers side by side.
 *
 * They end with `stop()`, and by themselves as soon as this process ends, by whatever means: a watchdog waits for
 * that. So this installs no signal handler, and a test runner keeps its own.
 *
 * @throws where one of them does not come up, with its last log lines; nothing is left then.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const onProgress = options.onProgress ?? (() => undefined);
  const directory = await makeDirectory(options.directory ?? tmpdir());
  const watchdog = startWatchdog(directory);
  const surroundings = { directory, watchdog, onProgress };
  const wanted = new Set(options.servers ?? ['temporal', 'postgres', 's3']);
  const up = async <T extends Placed>(name: ServerName, start: () => Promise<T>): Promise<T | undefined> => {
    if (!wanted.has(name)) return undefined;
    const started = performance.now();
    const placed = await start();
    onProgress(`${placed.server.name} is up (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    return placed;
  };
  // All settled, not all: a server that is still starting must be known before the rest is ended.
  const [temporal, postgres, s3] = await Promise.allSettled([
    up('temporal', () =>
      startTemporal({
        ...surroundings,
        ui: options.ui ?? false,
        outlivesRestart: options.temporalOutlivesRestart ?? false,
        settings: options.temporalSettings ?? [],
      }),
    ),
    up('postgres', () => startPostgres({ ...surroundings, ...options.postgres })),
    up('s3', () => startS3(surroundings)),
  ]);
  const placed = { temporal: value(temporal), postgres: value(postgres), s3: value(s3) };
  const added: Server[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(added.map((server) => server.stop()));
    await Promise.all(Object.values(placed).map(async (server) => server && remove(server)));
    await watchdog.finish();
  };
  const failure = [temporal, postgres, s3].find((result) => result.status === 'rejected');
  if (failure) {
    await end();
    throw failure.reason;
  }
  let ended: Promise<void> | undefined;
  return {
    env: { ...temporalEnv(placed.temporal), ...postgresEnv(placed.postgres), ...s3Env(placed.s3) },
    temporalUi: placed.temporal?.ui ?? '',
    adminDatabaseUrl: placed.postgres?.adminUrl ?? '',
    servers: {
      ...(placed.temporal && { temporal: placed.temporal.server }),
      ...(placed.postgres && { postgres: placed.postgres.server }),
      ...(placed.s3 && { s3: placed.s3.server }),
    },
    directory,
    surroundings,
    add: async (spec) => {
      const server = await startServer({ ...spec, logFile: join(directory, `${spec.name}.log`) }, watchdog);
      added.push(server);
      return server;
    },
    stop: () => (ended ??= end()),
  };
}

/** The whole environment of a child process that is to reach the stack and nothing else of the user's. */
export function childEnvironment(stack: Stack): NodeJS.ProcessEnv {
  return { ...cleanEnvironment(), ...stack.env };
}

async function makeDirectory(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(resolve(parent), 'tidemark-'));
  // PostgreSQL may run as another account, which must be able to pass through.
  await chmod(directory, 0o711);
  return directory;
}

function value<T>(result: PromiseSettledResult<T>): T | undefined {
  return result.status === 'fulfilled' ? result.value : undefined;
}

function temporalEnv(temporal: TemporalServer | undefined): Record<string, string> {
  if (!temporal) return {};
  const { address, namespace, configFile } = temporal;
  return { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, TEMPORAL_CONFIG_FILE: configFile };
}

function postgresEnv(postgres: PostgresServer | undefined): Record<string, string> {
  return postgres ? { DATABASE_URL: postgres.url } : {};
}

function s3Env(s3: S3Server | undefined): Record<string, string> {
  if (!s3) return {};
  return {
    S3_BUCKET: s3.bucket,
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
  };
}
