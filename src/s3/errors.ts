/**
 * Foreign errors of S3 calls, made into failures: once, here, by S3 error name, HTTP status or network code.
 *
 * Never by message, and nothing of the foreign error but a checked code goes on (docs/semantics.md).
 */

import type { ObjectKey } from '../domain/changeFile.ts';
import { TidemarkFailure } from '../domain/failures.ts';
import type { FailureDetails, FailureKind } from '../domain/failures.ts';

/** Which call failed. */
export interface CallPlace {
  /** The S3 operation's name, as in a bucket policy: `GetObject`. */
  readonly operation: string;
  readonly bucket: string;
  readonly key?: ObjectKey | undefined;
  readonly etag?: string | undefined;
}

/** Names that mean "later", whatever the status: S3 answers RequestTimeout with 400 and SlowDown with 503 or 429. */
const LATER_NAMES: ReadonlySet<string> = new Set([
  'BandwidthLimitExceeded',
  // A concurrent write to the same key (409): the call is to be repeated, say the documents of conditional requests.
  'ConditionalRequestConflict',
  'IncompleteBody',
  'InternalError',
  // An upload that a lifecycle rule or another attempt ended: a new attempt starts a new one.
  'NoSuchUpload',
  'OperationAborted',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'RequestTimeout',
  'RequestTimeoutException',
  // Later, not refused: the SDK corrects its clock by the answer and repeats, so what is left is a host whose clock
  // jumped (a resumed machine, NTP at work), which heals without anyone's doing.
  'RequestTimeTooSkewed',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TimeoutError',
  'TooManyRequestsException',
]);

/** Statuses that mean "later"; 501 and 505 would be answered again alike. */
const LATER_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);
const REFUSED_5XX: ReadonlySet<number> = new Set([501, 505]);

/** Codes of the system (ECONNRESET), of Node's HTTP parser and of a stream cut short. */
const NETWORK_CODE = /^(?:E[A-Z]+(?:_[A-Z]+)?|HPE_[A-Z_]+|ERR_STREAM_[A-Z_]+|ERR_SOCKET_[A-Z_]+)$/;

/** A code that may be shown: S3 error names are words, and any server may put anything there. */
const SHOWN_CODE = /^[A-Za-z][A-Za-z0-9_.-]{1,63}$/;

/** Names that the SDK makes up where the answer has none. */
const NO_NAMES: ReadonlySet<string> = new Set(['Error', 'Unknown', 'UnknownError']);

/** What is read from a foreign error, and all that is. */
interface ErrorFacts {
  readonly name: string | undefined;
  readonly code: string | undefined;
  readonly status: number | undefined;
  /** A defect of code (TypeError and its like), not of the call. */
  readonly defect: boolean;
}

/**
 * The failure that stands for whatever a call threw. A `TidemarkFailure` passes untouched.
 *
 * `S3Unavailable` for the network, 5xx and throttling; `FileVanished` for a missing object; `ObjectReplaced` for a
 * condition that did not hold; `S3Refused` for the rest.
 */
export function s3Failure(error: unknown, place: CallPlace): TidemarkFailure {
  if (error instanceof TidemarkFailure) return error;
  const facts = factsOf(error);
  const kind = kindOf(facts, place.operation);
  const what = kind === 'S3Refused' && facts.status === undefined ? UNSENT : WHAT[kind];
  return placed(kind, what, place, shownCode(facts));
}

/** A failure of our own finding in a call. */
export function placed(kind: FailureKind, what: string, place: CallPlace, code?: string): TidemarkFailure {
  const details: FailureDetails = {
    ...(place.key === undefined ? {} : { key: place.key }),
    ...(place.etag === undefined ? {} : { etag: place.etag }),
    ...(code === undefined ? {} : { code }),
  };
  return new TidemarkFailure(kind, `${what} (${place.operation}, bucket ${place.bucket})`, details);
}

type S3Kind = 'S3Unavailable' | 'S3Refused' | 'FileVanished' | 'ObjectReplaced' | 'InternalError';

const WHAT: Record<S3Kind, string> = {
  S3Unavailable: 'S3 can’t be reached or can’t serve now',
  S3Refused: 'S3 refuses the request',
  FileVanished: 'the object is gone',
  ObjectReplaced: 'the object has other content than expected',
  InternalError: 'the call of S3 failed by a defect',
};

const UNSENT = 'the request could not be sent: region, credentials, endpoint or its certificate';

function kindOf({ name, code, status, defect }: ErrorFacts, operation: string): S3Kind {
  if (name !== undefined && LATER_NAMES.has(name)) return 'S3Unavailable';
  if (status === undefined) return kindWithoutAnswer(code, defect);
  if (status === 404 && isGone(name, operation)) return 'FileVanished';
  if (status === 412) return 'ObjectReplaced';
  if (status >= 500) return REFUSED_5XX.has(status) ? 'S3Refused' : 'S3Unavailable';
  if (LATER_STATUSES.has(status)) return 'S3Unavailable';
  // A success that could not be read to its end or is no XML: a broken connection, a proxy's page.
  if (status >= 200 && status < 300) return 'S3Unavailable';
  return 'S3Refused';
}

/** A bare 404 may be any server's, and a vanished file stops a dataset; but HEAD has no body to say more in. */
function isGone(name: string | undefined, operation: string): boolean {
  return name === 'NoSuchKey' || operation === 'HeadObject';
}

/** No answer: the network, or a client that can't send (no region, no credentials, a certificate it does not trust). */
function kindWithoutAnswer(code: string | undefined, defect: boolean): S3Kind {
  if (code !== undefined && NETWORK_CODE.test(code)) return 'S3Unavailable';
  return defect && code === undefined ? 'InternalError' : 'S3Refused';
}

function factsOf(error: unknown): ErrorFacts {
  const metadata = property(error, '$metadata');
  const status = property(metadata, 'httpStatusCode') ?? property(property(error, '$response'), 'statusCode');
  return {
    name: text(property(error, 'name')),
    code: text(property(error, 'code')),
    status: typeof status === 'number' ? status : undefined,
    defect: error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError,
  };
}

function shownCode({ name, code, status }: ErrorFacts): string | undefined {
  const candidates = [code, name !== undefined && NO_NAMES.has(name) ? undefined : name];
  const shown = candidates.find((candidate) => candidate !== undefined && SHOWN_CODE.test(candidate));
  return shown ?? (status === undefined ? undefined : `HTTP-${status}`);
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
