import { crq } from './crq.ts';
import type { Dataset } from './dataset.ts';
import { inc } from './inc.ts';
import { shadowOf } from './shadow.ts';

/** All datasets. */
export const DATASETS: readonly Dataset[] = [inc, crq];

/** Those that are switched on: of another, neither its objects in S3 nor the rights to them need be there. */
export const ENABLED: readonly Dataset[] = DATASETS.filter(({ enabled }) => enabled);

/** Their shadows, which are listed and scheduled only where they are named. */
export const SHADOWS: readonly Dataset[] = [shadowOf(inc)];
