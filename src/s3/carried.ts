/** What a copy carries of its source, and how it is known again. */

import type { SeenObject } from './head.ts';

/**
 * The metadata entry that names the source's ETag. A copy's own ETag differs from its source's where either was
 * written in parts or under KMS encryption, and the archive must know its bytes again after a crash.
 */
const ETAG_ENTRY = 'tidemark-etag';

/** Whether an archived object has the bytes that had this ETag; the size too where it is known. */
export function isCopyOf(
  found: SeenObject,
  source: { readonly etag: string; readonly size?: number },
): boolean {
  const sameSize = source.size === undefined || source.size === found.size;
  return sameSize && (found.etag === source.etag || found.headers.Metadata?.[ETAG_ENTRY] === source.etag);
}

/** What a copy keeps of its source: S3 takes the user's metadata and these headers, or the new ones, as a whole. */
export function carried({ etag, headers }: SeenObject) {
  return {
    Metadata: { ...headers.Metadata, [ETAG_ENTRY]: etag },
    ContentType: headers.ContentType,
    ContentEncoding: headers.ContentEncoding,
    ContentLanguage: headers.ContentLanguage,
    ContentDisposition: headers.ContentDisposition,
    CacheControl: headers.CacheControl,
    Expires: headers.Expires,
    WebsiteRedirectLocation: headers.WebsiteRedirectLocation,
  };
}
