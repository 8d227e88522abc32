import { DATASETS, ENABLED, SHADOWS } from '../datasets/index.ts';
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
export function datasetNamed(name: string, datasets: readonly Dataset[] = DATASETS): Dataset {
  const dataset = [...datasets, ...SHADOWS].find((candidate) => candidate.name === name);
  if (dataset) return dataset;
  const known = datasets.map((candidate) => candidate.name).join(', ');
  throw new Problem(`there is no dataset ${printable(name.slice(0, MAX_SHOWN))}; known: ${known}`);
}

/** The named dataset, or all that are enabled: another has to be named. */
export function datasetsNamed(name: string | undefined): readonly Dataset[] {
  return name === undefined ? ENABLED : [datasetNamed(name)];
}

/** The names of the datasets that exist and are switched off; a shadow is none of them. */
export function switchedOff(): readonly string[] {
  return DATASETS.filter((dataset) => !dataset.enabled).map((dataset) => dataset.name);
}

/** The named dataset, or all of them: one that was switched off may still have its Schedule. */
export function scheduledDatasets(name: string | undefined): readonly Dataset[] {
  return name === undefined ? DATASETS : [datasetNamed(name)];
}

/**
 * The datasets that get a Schedule: the named one, or all that are enabled. A shadow has to be named.
 *
 * @throws Problem where the named one is not enabled
 */
export function enabledDatasets(
  name: string | undefined,
  datasets: readonly Dataset[] = DATASETS,
): readonly Dataset[] {
  if (name === undefined) return datasets.filter((dataset) => dataset.enabled);
  const dataset = datasetNamed(name, datasets);
  if (dataset.enabled || dataset.shadowOf !== undefined) return [dataset];
  throw new Problem(
    `${name} is not enabled, so it gets no Schedule. Set enabled: true in src/datasets/${name}.ts and deploy`,
  );
}
