/** Reads one DATABASE_URL for both drivers, so that they can't disagree about TLS or defaults. */

import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';

/** Where PostgreSQL is and how to get in. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly tls: TlsOptions | undefined;
}

/**
 * TLS modes as libpq names them; `prefer` and `allow` would fall back to clear text without a word, so they are
 * refused and the user chooses.
 */
const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;

/**
 * Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`.
 *
 * @throws Error with a message that never quotes the URL, which holds the password
 */
export function parseDatabaseUrl(text: string): PostgresAddress {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error('is no URL (postgres://user:password@host:5432/database)');
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new Error('must begin with postgres:// or postgresql://');
  }
  const database = decoded(url.pathname.slice(1));
  if (url.hostname === '') throw new Error('names no host');
  if (url.username === '') throw new Error('names no user');
  if (database === '') throw new Error('names no database');
  for (const name of url.searchParams.keys()) {
    if (name === 'sslmode' || name === 'sslrootcert') continue;
    // Half of a password with a question mark in it looks like one: only what is a name of libpq's kind is said.
    const said = /^[a-z]+(?:_[a-z]+)*$/.test(name) && name.length <= 30 ? `: ${name}` : '';
    throw new Error(`has a parameter that is not known${said}`);
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 5432 : Number(url.port),
    user: decoded(url.username),
    password: url.password === '' ? undefined : decoded(url.password),
    database,
    tls: readTls(url),
  };
}

/** @throws Error where a percent sign begins no escape */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('has a percent sign that begins no escape (write it as %25)');
  }
}

function readTls(url: URL): TlsOptions | undefined {
  const mode = url.searchParams.get('sslmode') ?? 'disable';
  const rootCert = url.searchParams.get('sslrootcert');
  if (!(TLS_MODES as readonly string[]).includes(mode)) {
    throw new Error(`has a sslmode that is none of ${TLS_MODES.join(', ')}`);
  }
  if (mode === 'disable') return undefined;
  const ca = rootCert === null ? {} : { ca: readRootCert(rootCert) };
  // libpq: `require` encrypts without verifying, unless a root certificate is given, which makes it `verify-ca`.
  if (mode === 'require' && rootCert === null) return { rejectUnauthorized: false };
  if (mode === 'verify-full') return { ...ca, rejectUnauthorized: true, servername: url.hostname };
  return { ...ca, rejectUnauthorized: true, checkServerIdentity: () => undefined };
}

function readRootCert(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    throw new Error('names a sslrootcert that cannot be read');
  }
}
