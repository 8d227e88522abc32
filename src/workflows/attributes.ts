import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { DATASET_ATTRIBUTE, WATERMARK_ATTRIBUTE } from '../domain/searchAttributes.ts';

/** Sets the run's search attributes where they are not so yet: one event, and none where nothing is new. */
export function setAttributes(dataset: string, watermark: string | undefined): void {
  const { typedSearchAttributes: set } = workflowInfo();
  const changed = [
    { key: DATASET_ATTRIBUTE, value: dataset },
    ...(watermark === undefined ? [] : [{ key: WATERMARK_ATTRIBUTE, value: watermark }]),
  ].filter(({ key, value }) => set.get(key) !== value);
  if (changed.length > 0) upsertSearchAttributes(changed);
}
