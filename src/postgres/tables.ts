/** The names of a dataset's tables, quoted. */

import type { Dataset } from '../datasets/dataset.ts';
import { identifier } from './identifier.ts';

/** The dataset's own table. */
export function targetTable(dataset: Dataset): string {
  return `tickets.${identifier(dataset.table)}`;
}

/** The temporary table of a file's rows: one a dataset and session, used again, since one a file bloats the catalog. */
export function stagingTable(dataset: Dataset): string {
  return identifier(`tidemark_stage_${dataset.name}`);
}

/** The temporary table of the rows that are being compared. */
export function stretchTable(dataset: Dataset): string {
  return identifier(`tidemark_stretch_${dataset.name}`);
}
