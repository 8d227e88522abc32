/** Datasets by the dozen, for tests and the bench: the columns and rules of `inc`, each with prefixes and a table of its own. */

import type { Dataset } from '../../src/datasets/dataset.ts';
import { inc } from '../../src/datasets/inc.ts';

export function manyDatasets(count: number): readonly Dataset[] {
  return Array.from({ length: count }, (_unused, n) => {
    const name = `many_${n}`;
    const prefix = (folder: string): string => `automations/${name}/${folder}/`;
    return {
      ...inc,
      name,
      table: name,
      changesPrefix: prefix('changes'),
      processedPrefix: prefix('processed'),
      skippedPrefix: prefix('skipped'),
    };
  });
}

/** The statements that make their tables, as a migration does. */
export function tablesOf(datasets: readonly Dataset[]): string {
  return datasets
    .map(
      ({ table }) => `create table tickets.${table} (like tickets.inc including all);
grant select, insert, update on tickets.${table} to tidemark_worker;`,
    )
    .join('\n');
}
