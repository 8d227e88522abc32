/** The login that worker and client use, as in production: not the owner of the tables. */

import { Client } from 'pg';
import type { Stack } from '../embedded.ts';

const LOADER = 'loader';

/** Creates a login with the rights of `tidemark_worker` and no others. @returns the stack, for who uses that login */
export async function asLoader(stack: Stack): Promise<Stack> {
  const url = new URL(stack.env['DATABASE_URL'] ?? '');
  const owner = new Client({ connectionString: url.href });
  await owner.connect();
  try {
    await owner.query(`create role ${LOADER} login password '${url.password}' in role tidemark_worker`);
  } finally {
    await owner.end();
  }
  url.username = LOADER;
  return { ...stack, env: { ...stack.env, DATABASE_URL: url.href } };
}
