import type { Dataset } from './dataset.ts';
import { inc } from './inc.ts';

/** All datasets. */
export const DATASETS: readonly Dataset[] = [inc];
