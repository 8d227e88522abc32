import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { s3Failure } from '../../src/s3/errors.ts';

const GET = { operation: 'GetObject', bucket: 'tickets', key: 'a/2026-06-22T10-00-00.csv', etag: 'e1' };
const HEAD = { ...GET, operation: 'HeadObject' };

/** An error as the SDK throws it: its name is what the server sent. */
function answered(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error('SECRET'), { name, $metadata: { httpStatusCode } });
}

function network(code: string, name = 'Error'): Error {
  return Object.assign(new Error('SECRET'), { name, code, $metadata: { attempts: 3 } });
}

describe('failures of S3 calls', () => {
  const table: [Error, string, string?][] = [
    [answered('InternalError', 500), 'S3Unavailable'],
    [answered('Unknown', 502), 'S3Unavailable', 'HTTP-502'],
    [answered('ServiceUnavailable', 503), 'S3Unavailable'],
    [answered('SlowDown', 503), 'S3Unavailable'],
    [answered('SlowDown', 429), 'S3Unavailable'],
    [answered('Unknown', 429), 'S3Unavailable', 'HTTP-429'],
    [answered('RequestTimeout', 400), 'S3Unavailable'],
    [answered('ThrottlingException', 400), 'S3Unavailable'],
    [answered('ConditionalRequestConflict', 409), 'S3Unavailable'],
    [answered('OperationAborted', 409), 'S3Unavailable'],
    [answered('NoSuchUpload', 404), 'S3Unavailable'],
    [answered('RequestTimeTooSkewed', 403), 'S3Unavailable'],
    [answered('SyntaxError', 200), 'S3Unavailable'],
    [network('ECONNRESET', 'TimeoutError'), 'S3Unavailable', 'ECONNRESET'],
    [network('ECONNREFUSED'), 'S3Unavailable', 'ECONNREFUSED'],
    [network('ENOTFOUND'), 'S3Unavailable', 'ENOTFOUND'],
    [network('EAI_AGAIN'), 'S3Unavailable', 'EAI_AGAIN'],
    [network('ERR_STREAM_PREMATURE_CLOSE'), 'S3Unavailable', 'ERR_STREAM_PREMATURE_CLOSE'],
    [network('HPE_INVALID_CONSTANT'), 'S3Unavailable', 'HPE_INVALID_CONSTANT'],
    [answered('AccessDenied', 403), 'S3Refused'],
    [answered('Unknown', 403), 'S3Refused', 'HTTP-403'],
    [answered('NoSuchBucket', 404), 'S3Refused'],
    [answered('NotFound', 404), 'S3Refused'],
    [answered('InvalidAccessKeyId', 403), 'S3Refused'],
    [answered('SignatureDoesNotMatch', 403), 'S3Refused'],
    [answered('ExpiredToken', 400), 'S3Refused'],
    [answered('InvalidObjectState', 403), 'S3Refused'],
    [answered('PermanentRedirect', 301), 'S3Refused'],
    [answered('NotImplemented', 501), 'S3Refused'],
    [Object.assign(new Error('SECRET'), { name: 'CredentialsProviderError' }), 'S3Refused'],
    [network('CERT_HAS_EXPIRED'), 'S3Refused', 'CERT_HAS_EXPIRED'],
    [network('DEPTH_ZERO_SELF_SIGNED_CERT'), 'S3Refused', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [answered('NoSuchKey', 404), 'FileVanished'],
    [answered('PreconditionFailed', 412), 'ObjectReplaced'],
    [new TypeError('SECRET'), 'InternalError'],
  ];

  for (const [error, kind, code = error.name] of table) {
    it(`${code} is ${kind}`, () => {
      const failure = s3Failure(error, GET);
      assert.deepEqual([failure.kind, failure.details.code], [kind, code]);
    });
  }

  it('a HEAD has no body, so any 404 of it means a missing object', () => {
    assert.equal(s3Failure(answered('NotFound', 404), HEAD).kind, 'FileVanished');
  });

  it('they name operation, bucket, key and ETag', () => {
    const failure = s3Failure(answered('AccessDenied', 403), GET);
    assert.deepEqual(failure.details, { key: GET.key, etag: 'e1', code: 'AccessDenied' });
    assert.match(failure.what, /GetObject, bucket tickets/);
  });

  it('nothing of the foreign error goes on, and a name that is no code neither', () => {
    const failure = s3Failure(answered('the row SECRET of a file', 400), GET);
    assert.equal(failure.details.code, 'HTTP-400');
    assert.equal(failure.cause, undefined);
    assert.doesNotMatch(inspect(failure, { showHidden: true, depth: 9 }), /SECRET/);
  });

  it('a failure of ours passes untouched', () => {
    const stalled = new TidemarkFailure('Stalled', 'no bytes');
    assert.equal(s3Failure(stalled, GET), stalled);
  });

  it('what is thrown without being an error is refused, not retried for ever', () => {
    for (const thrown of [undefined, null, 'SECRET', 7, {}])
      assert.equal(s3Failure(thrown, GET).kind, 'S3Refused');
  });
});
