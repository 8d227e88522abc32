import type { Dataset } from '../datasets/dataset.ts';

/** The columns of a staged row, in order: all stored columns, then the line on which its record begins. */
export function stagingColumns(dataset: Dataset): readonly string[] {
  return [...Object.keys(dataset.columns), 'source_line'];
}
