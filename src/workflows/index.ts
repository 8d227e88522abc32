/** All workflows that the worker registers. */
export { ingestDataset } from './ingestDataset.ts';
