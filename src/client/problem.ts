/** The last stop of every error: a readable message on stderr and its exit status, never a foreign message or stack. */

import { ConfigError, type Config } from '../config.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import { framesOf } from '../domain/frames.ts';
import { printable } from './terminal.ts';

/** An error whose message is meant for the user as it stands. */
export class Problem extends Error {
  override readonly name = 'Problem';
  /** The exit status that it ends in. */
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

/** Temporal's channel was not ready in time; the SDK's own error for this has neither name nor code. */
export class TemporalUnreachable extends Error {
  override readonly name = 'TemporalUnreachable';
}

/**
 * Says what is wrong and sets the exit status; the process ends by itself once its connections are closed.
 *
 * @param config where it is known: a server that cannot be reached is then named with its place
 */
export function exitWithProblem(error: unknown, config?: Config): void {
  process.stderr.write(`tidemark: ${describeProblem(error, config)}\n`);
  process.exitCode = error instanceof Problem ? error.status : 1;
}

/** The message for an error, without anything that could hold a row's values or a secret. */
export function describeProblem(error: unknown, config?: Config): string {
  if (error instanceof TidemarkFailure) return describeFailure(error, config);
  if (error instanceof Problem || error instanceof ConfigError) return lines(error.message);
  return describeTemporal(error, config) ?? describeDefect(error);
}

/** Of a command's failures those need other words than of a run's: nobody retries a command, and its user can act. */
function describeFailure(failure: TidemarkFailure, config: Config | undefined): string {
  const { kind, what, details } = failure;
  const code = details.code === undefined ? '' : ` [${details.code}]`;
  switch (kind) {
    case 'PostgresUnavailable':
      return `${postgresOf(config)}${afterName(what)}${code}. Check DATABASE_URL, and that the server is up`;
    case 'PostgresRefused':
      return `${postgresOf(config)}: ${postgresRefusal(failure)}`;
    case 'PostgresBusy':
      return `${postgresOf(config)}: ${what}${code}. A load holds the dataset; try again in a moment`;
    case 'Stalled':
      return `${lines(what)}${code}. Check the network, and try again`;
    case 'S3Unavailable':
      return `${s3Of(config)}: ${lines(what)}${code}. Check AWS_ENDPOINT_URL_S3 and the network, and that the server is up`;
    case 'S3Refused':
      return `${s3Of(config)}: ${lines(failure.message)}`;
    default:
      return lines(failure.message);
  }
}

/** What is wrong with PostgreSQL, to stand after its name and place. */
function afterName(what: string): string {
  const name = 'PostgreSQL ';
  return what.startsWith(name) ? ` ${what.slice(name.length)}` : `: ${what}`;
}

function postgresRefusal({ message, details }: TidemarkFailure): string {
  const { code } = details;
  if (code?.startsWith('28'))
    return `the login is refused [${code}]. Check user and password in DATABASE_URL`;
  if (code === '3D000') return `there is no such database [${code}]. Check DATABASE_URL`;
  // Undefined table, column or schema.
  if (code === '42P01' || code === '42703' || code === '3F000') {
    return `a table or column is missing [${code}]. Bring the schema up to date: tidemark migrate`;
  }
  return message;
}

/** gRPC status codes, as the server or the transport gave them. */
const GRPC = { deadline: 4, notFound: 5, denied: 7, unavailable: 14, unauthenticated: 16 } as const;

/** Errors that may come without a code: of the worker's native core, and of our own waiting. */
const NAMED_UNREACHABLE = new Set(['TemporalUnreachable', 'TransportError', 'TimeoutError', 'ServiceError']);

/** What an error of Temporal's clients means; `undefined` where it is none. */
function describeTemporal(error: unknown, config: Config | undefined): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const temporal = temporalOf(config);
  // Of the clients only Temporal's is opened outside an adapter, which would have translated this.
  if ('code' in error && typeof error.code === 'string' && /^ERR_(OSSL|TLS)_[A-Z0-9_]+$/.test(error.code))
    return `${temporal}: the TLS certificate or key cannot be used [${error.code}]. Check TEMPORAL_TLS_*`;
  const code = grpcCode(error) ?? grpcCode(error.cause);
  switch (error.name === 'NamespaceNotFoundError' ? GRPC.notFound : code) {
    case GRPC.notFound:
      // All else that may be missing is asked for, and told, by the verbs themselves.
      return `${temporal}: there is no namespace ${printable(config?.temporal.namespace ?? '')}. Check TEMPORAL_NAMESPACE`;
    case GRPC.denied:
    case GRPC.unauthenticated:
      return `${temporal}: access is refused [gRPC ${code}]. Check TEMPORAL_API_KEY or the TLS certificate, and TEMPORAL_NAMESPACE`;
    case GRPC.deadline:
    case GRPC.unavailable:
      return unreachable(temporal);
    case undefined:
      return NAMED_UNREACHABLE.has(error.name) ? unreachable(temporal) : undefined;
    default:
      return `${temporal}: the request failed [gRPC ${code}]`;
  }
}

function unreachable(temporal: string): string {
  return `${temporal}: it cannot be reached. Check TEMPORAL_ADDRESS (and the TLS settings), and that the server is up`;
}

function grpcCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('details' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

function describeDefect(error: unknown): string {
  const name = error instanceof Error ? error.name : typeof error;
  return `a defect of Tidemark (${name}), please report it:\n${framesOf(error).slice(0, 8).join('\n')}`;
}

function postgresOf(config: Config | undefined): string {
  if (!config) return 'PostgreSQL';
  const { host, port } = config.postgres;
  return `PostgreSQL at ${printable(host)}:${port}`;
}

function s3Of(config: Config | undefined): string {
  if (!config) return 'S3';
  const { endpoint } = config.s3;
  return endpoint === undefined ? 'S3' : `S3 at ${new URL(endpoint).host}`;
}

/** Temporal's own default, where nothing names an address. */
const DEFAULT_ADDRESS = 'localhost:7233';

function temporalOf(config: Config | undefined): string {
  return config
    ? `Temporal at ${printable(config.temporal.connectionOptions.address ?? DEFAULT_ADDRESS)}`
    : 'Temporal';
}

/** Keys of any bytes stand in messages. */
function lines(message: string): string {
  return message.split('\n').map(printable).join('\n');
}
