import type { Dataset } from './dataset.ts';

/**
 * The shadow of a dataset: the same files and rules, another table, and no object is touched. Its ledger is its own, as
 * of any dataset. It reads what the other loader has archived: most archive what they load, so that only there are all
 * files to be found. Where that loader archives nothing, give `changesPrefix` the dataset's own.
 */
export function shadowOf(dataset: Dataset): Dataset {
  return {
    ...dataset,
    name: `${dataset.name}_shadow`,
    table: `${dataset.table}_shadow`,
    changesPrefix: dataset.processedPrefix,
    shadowOf: dataset.name,
    archive: false,
    // Scheduled only where it is named, and no alert asks for its runs.
    enabled: false,
  };
}
