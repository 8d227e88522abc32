import type { Dataset } from '../datasets/dataset.ts';
import { parseChangeFileName, type ObjectKey } from '../domain/changeFile.ts';
import { Problem } from './problem.ts';
import { printable } from './terminal.ts';

/**
 * The key that a user means: a full one, or a bare file name.
 *
 * @throws Problem where it is no change file's of the dataset
 */
export function changeFileKey(dataset: Dataset, text: string): ObjectKey {
  const key = text.includes('/') ? text : dataset.changesPrefix + text;
  if (parseChangeFileName(dataset.changesPrefix, key)) return key;
  throw new Problem(
    `${printable(text)} is no change file of ${dataset.name}: ${dataset.changesPrefix}YYYY-MM-DDTHH-mm-ss.csv, .csv.gz or .csv.zst`,
  );
}
