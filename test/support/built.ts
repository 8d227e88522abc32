/** The project as it is installed: what is started in a process of its own is compiled, as for a user. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILD_MS = 120_000;

let building: Promise<unknown> | undefined;

/** Compiles `src/` to `dist/`, once; not at all where the suite has done so before it started this process. */
export function built(): Promise<unknown> {
  if (process.env['TIDEMARK_BUILT'] !== undefined) return Promise.resolve();
  return (building ??= promisify(execFile)('npm', ['run', '--silent', 'build'], {
    cwd: ROOT,
    timeout: BUILD_MS,
  }).catch((error: unknown) => {
    throw new Error(`the build failed: ${(error as { stdout?: string }).stdout}`, { cause: error });
  }));
}
