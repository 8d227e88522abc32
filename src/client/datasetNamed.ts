import { DATASETS } from '../datasets/index.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { Problem } from './problem.ts';
import { printable } from './terminal.ts';

/** A longer name is a mistake that need not be shown in full. */
const MAX_SHOWN = 60;

/**
 * Finds a dataset.
 *
 * @throws Problem that names the known ones
 */
export function datasetNamed(name: string): Dataset {
  const dataset = DATASETS.find((candidate) => candidate.name === name);
  if (dataset) return dataset;
  const known = DATASETS.map((candidate) => candidate.name).join(', ');
  throw new Problem(`there is no dataset ${printable(name.slice(0, MAX_SHOWN))}; known: ${known}`);
}

/** The named dataset, or all of them. */
export function datasetsNamed(name: string | undefined): readonly Dataset[] {
  return name === undefined ? DATASETS : [datasetNamed(name)];
}
