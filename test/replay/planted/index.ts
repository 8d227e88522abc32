import { ingestDataset as real } from '../../../src/workflows/ingestDataset.ts';
import { list } from '../../../src/workflows/activityCalls.ts';
import { Run, type IngestInput, type IngestResult } from '../../../src/workflows/run.ts';

/** The workflow with a change that breaks replay: it lists once more than the recorded runs did. */
export async function ingestDataset(input: IngestInput): Promise<IngestResult> {
  await list(new Run(input).nextPage(1));
  return real(input);
}
