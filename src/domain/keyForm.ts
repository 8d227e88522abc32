/** The forms in which people and other loaders name a change file. */

import { parseChangeFileName, type ObjectKey, type PrefixedDataset } from './changeFile.ts';

/**
 * The key of a change file that is named by a bare stamp (of a plain `.csv`), a file name, its key, or its key in the archive.
 *
 * @returns undefined where it is no change file's name of this dataset
 */
export function toChangeFileKey(
  { changesPrefix, processedPrefix }: PrefixedDataset,
  text: string,
): ObjectKey | undefined {
  const prefix = [changesPrefix, processedPrefix].find((candidate) => text.startsWith(candidate)) ?? '';
  const name = text.slice(prefix.length);
  const key = `${changesPrefix}${name}${name.includes('.') ? '' : '.csv'}`;
  return parseChangeFileName(changesPrefix, key) ? key : undefined;
}
