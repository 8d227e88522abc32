/** From an object's bytes to the CSV text in them. */

import type { Dataset } from '../datasets/dataset.ts';
import { compressionOf, type ObjectKey } from '../domain/changeFile.ts';
import { gunzip } from './gunzip.ts';
import { toUtf8 } from './toUtf8.ts';
import { unzstd } from './unzstd.ts';

/**
 * The text of a change file, in UTF-8 unless a byte is wrong; unpacked as its key's ending says. Memory does not grow
 * with either size.
 *
 * @param key what the ledger calls the file, wherever its bytes lie
 * @throws FormatFault where the bytes cannot be unpacked; what `chunks` throws as it is
 */
export function textOf(
  { encoding = 'utf-8' }: Dataset,
  key: ObjectKey,
  chunks: AsyncIterable<Buffer>,
): AsyncIterable<Buffer> {
  const unpacked = unpack(key, chunks);
  return encoding === 'utf-8' ? unpacked : toUtf8(unpacked, encoding);
}

function unpack(key: ObjectKey, chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  switch (compressionOf(key)) {
    case 'gzip':
      return gunzip(chunks);
    case 'zstd':
      return unzstd(chunks);
    case 'none':
      return chunks;
  }
}
