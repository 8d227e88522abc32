/** On what the figures were taken. */

import { execFile } from 'node:child_process';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';
import { SETTINGS, type Ground } from './ground.ts';

const run = promisify(execFile);

/** The machine and the versions, as they are printed. */
export type Machine = Readonly<Record<string, string>>;

/** @param load processes that wanted a core before the bench began, in the last minute */
export async function describeMachine({ sql }: Ground, load: number): Promise<Machine> {
  const [server] = await sql<{ version: string }>(`select current_setting('server_version') as version`);
  const [cpu] = cpus();
  return {
    CPU: `${cpus().length} × ${cpu?.model ?? arch()}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${type()} ${release().split('.').slice(0, 2).join('.')}`,
    'load before': load.toFixed(1),
    Node: process.version,
    PostgreSQL: server?.version ?? 'unknown',
    psql: (await version('psql')) ?? 'none on PATH',
    Python: (await version('python3')) ?? 'none on PATH',
    settings: Object.entries(SETTINGS)
      .map(([name, value]) => `${name} = ${value}`)
      .join(', '),
  };
}

/** What a program says of its version; `undefined` where it is not on PATH. */
export async function version(program: string): Promise<string | undefined> {
  return run(program, ['--version'], { timeout: 10_000 }).then(
    ({ stdout, stderr }) => (stdout || stderr).replace(/^\D*/, '').trim(),
    () => undefined,
  );
}
