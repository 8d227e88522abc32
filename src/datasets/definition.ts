import { createHash } from 'node:crypto';
import type { Dataset } from './dataset.ts';

/**
 * A fingerprint of a dataset's definition, 16 hexadecimal digits. A content that was refused is read again only once
 * the content or this has changed.
 */
export function definitionOf(dataset: Dataset): string {
  return createHash('sha256').update(JSON.stringify(dataset)).digest('hex').slice(0, 16);
}
