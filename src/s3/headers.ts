/** The forms that S3's headers want. */

import type { ObjectKey } from '../domain/changeFile.ts';

/** An ETag as a condition's header wants it. */
export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** An ETag without quotes and weakness mark. */
export function unquoted(etag: string): string {
  return etag.replace(/^(?:W\/)?"(.*)"$/, '$1');
}

/** The value of `x-amz-copy-source`: in URL form, the slashes apart. */
export function copySource(bucket: string, key: ObjectKey): string {
  return `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}
