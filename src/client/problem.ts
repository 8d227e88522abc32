/** The last stop of every error: a readable message on stderr and exit status 1, never a foreign message or stack. */

import { ConfigError } from '../config.ts';
import { TidemarkFailure } from '../domain/failures.ts';

/** An error whose message is meant for the user as it stands. */
export class Problem extends Error {
  override readonly name = 'Problem';
}

/** Says what is wrong and sets the exit status; the process ends by itself once its connections are closed. */
export function exitWithProblem(error: unknown): void {
  process.stderr.write(`tidemark: ${describeProblem(error)}\n`);
  process.exitCode = 1;
}

/** The message for an error, without anything that could hold a row's values or a secret. */
export function describeProblem(error: unknown): string {
  if (error instanceof Problem || error instanceof ConfigError || error instanceof TidemarkFailure) {
    return error.message;
  }
  if (isTemporalUnreachable(error)) {
    return 'Temporal cannot be reached. Check TEMPORAL_ADDRESS (and TLS settings), and that the server is up';
  }
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((l) => /^\s+at /.test(l)) : [];
  const name = error instanceof Error ? error.name : typeof error;
  return `a defect of Tidemark (${name}), please report it:\n${frames.slice(0, 8).join('\n')}`;
}

/** The SDK's transport errors: of the native core, of gRPC, and of the client's own wrapping. */
const UNREACHABLE = new Set(['TransportError', 'ServiceError', 'TimeoutError']);
const GRPC_UNREACHABLE = new Set([4, 14]);

function isTemporalUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return UNREACHABLE.has(error.name) || (typeof code === 'number' && GRPC_UNREACHABLE.has(code));
}
