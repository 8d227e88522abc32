import type { Dataset } from './dataset.ts';
import { inc } from './inc.ts';
import { shadowOf } from './shadow.ts';

/** All datasets. */
export const DATASETS: readonly Dataset[] = [inc];

/** Their shadows, which are listed and scheduled only where they are named. */
export const SHADOWS: readonly Dataset[] = [shadowOf(inc)];
