/** All workflows that worker and rebuilder register. */
export { ingestDataset } from './ingestDataset.ts';
export { rebuildDataset } from './rebuildDataset.ts';
