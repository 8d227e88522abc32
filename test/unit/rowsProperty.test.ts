import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { changeFile } from '../support/arbitraryFile.ts';
import { naiveReading } from '../support/naiveReading.ts';
import { type Outcome, outcomeOf, specimen } from '../support/reading.ts';

describe('reading any file', () => {
  it('finds what a naive reader finds, however the file is cut into chunks', async () => {
    const cuts = fc.array(fc.nat(5000), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(changeFile(specimen), cuts, fc.nat(3), async (file, positions, maxRejects) => {
        const dataset = { ...specimen, maxRejects };
        const within = positions.map((position) => position % (file.length + 1));
        const outcome = await outcomeOf(dataset, file, { cuts: within });
        assert.deepEqual(facts(outcome, file), naiveFacts(dataset, file));
      }),
      { seed: 20_260_622, numRuns: 5_000 },
    );
  });
});

/** All that must be equal: rows, lines, counts, rejects, failure with its place. */
function facts({ reading, failure, rows }: Outcome, file: Buffer): unknown {
  if (!reading) return { failure: placeOf(file, failure?.kind, failure?.details) };
  const { read, alarm, sentinel, rejected, sent, unknownColumns, unknownValues, nulled, malformed } = reading;
  return {
    rows,
    counts: { read, alarm, sentinel, rejected, sent },
    rejects: reading.rejects.map(({ line, column, row }) => ({ line, column, row })),
    unknownColumns,
    unknownValues,
    nulled,
    failure: malformed && placeOf(file, malformed.kind, malformed.details),
  };
}

function naiveFacts(dataset: Dataset, file: Buffer): unknown {
  const { failure, ...found } = naiveReading(dataset, file);
  const refused = found.counts.rejected > dataset.maxRejects;
  if (failure && !refused) return { failure: placeOf(file, failure.kind, failure) };
  return {
    rows: refused ? [] : found.sent,
    counts: found.counts,
    rejects: found.rejects.map(({ line, column, row }) => ({ line, column, row })),
    unknownColumns: found.unknownColumns,
    unknownValues: found.unknownValues,
    nulled: found.nulled,
    failure: failure && placeOf(file, failure.kind, failure),
  };
}

/** csv-parse takes a NUL after a closing quote for the end of the file: the column may then be a later one. */
function placeOf(
  file: Buffer,
  kind?: string,
  at?: { readonly line?: number; readonly column?: string },
): unknown {
  return { kind, line: at?.line, column: file.includes(0) ? undefined : at?.column };
}
