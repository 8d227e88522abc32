import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { sampleStream, type SampleFile } from '../../dev/sample/stream.ts';
import { HEADER } from '../../dev/sample/ticket.ts';
import { recentStart, stampOf } from '../../dev/sample/times.ts';
import { inc } from '../../src/datasets/inc.ts';
import { readChangeFile } from '../../src/rows/readFile.ts';
import { copyRows } from '../support/copyBinary.ts';
import type { NaiveRow } from '../support/naiveReading.ts';
import { fileColumns, NAIROBI } from '../support/reading.ts';

describe('the sample stream', () => {
  const files = sampleStream();

  it('has all columns of the dataset, those that it drops too, and no other', () => {
    assert.deepEqual([...HEADER].sort(), fileColumns(inc).sort());
  });

  it('has the size and the make-up of the stream that the project was made for', async () => {
    const [baseline, ...deltas] = files;
    assert.ok(baseline);
    const bytes = (await bytesOf(baseline)).length;
    assert.ok(bytes > 14e6 && bytes < 15e6, `${bytes} bytes`);
    assert.equal(baseline.expected.read, 34_849);
    assert.ok(Math.abs(baseline.expected.alarm / baseline.expected.read - 0.24) < 0.005);
    assert.deepEqual(
      deltas.map((file) => file.expected.read),
      [1, 22, 131],
    );
  });

  it('is read as announced, and no row of it is rejected', async () => {
    for (const file of files) {
      const reading = await readChangeFile({
        key: 'changes.csv',
        dataset: inc,
        zone: NAIROBI,
        chunks: file.body(),
        sink: { write: async () => undefined },
      });
      const { read, alarm, sentinel, inserted, updated, unchanged } = file.expected;
      const sent = inserted + updated + unchanged;
      const { read: records, alarm: alarms, sentinel: sentinels, rejected, sent: kept } = reading;
      assert.deepEqual(
        { records, alarms, sentinels, rejected, kept },
        { records: read, alarms: alarm, sentinels: sentinel, rejected: 0, kept: sent },
      );
    }
  });

  it('changes, repeats and adds the tickets that it says', async () => {
    const small = sampleStream({ rows: 300, deltas: [22, 1, 131, 40] });
    const stored = new Map<string, string>();
    for (const file of small) {
      const found = { inserted: 0, updated: 0, unchanged: 0 };
      for (const { source_line: _, ...values } of await keptRows(file)) {
        const id = String(values['ticket_id']);
        const row = JSON.stringify(values);
        const before = stored.get(id);
        found[before === undefined ? 'inserted' : before === row ? 'unchanged' : 'updated']++;
        stored.set(id, row);
      }
      const { inserted, updated, unchanged } = file.expected;
      assert.deepEqual(found, { inserted, updated, unchanged });
    }
  });

  it('is the same at every reading, and another one with another seed', async () => {
    const [one, again, other] = [1, 1, 2].map((seed) => sampleStream({ rows: 50, seed })[0]);
    assert.ok(one && again && other);
    assert.equal(await sha256Of(one), await sha256Of(again));
    assert.notEqual(await sha256Of(one), await sha256Of(other));
  });

  it('can end at the last full five minutes', () => {
    const now = Date.parse('2026-03-04T07:08:09Z');
    assert.equal(stampOf(recentStart(now, 4)), '2026-03-04T09-45-00');
  });
});

/** The rows that are kept. */
async function keptRows(file: SampleFile): Promise<NaiveRow[]> {
  const blocks: Buffer[] = [];
  const sink = { write: async (block: Buffer) => void blocks.push(Buffer.from(block)) };
  await readChangeFile({ key: 'changes.csv', dataset: inc, zone: NAIROBI, chunks: file.body(), sink });
  return copyRows(inc, Buffer.concat(blocks));
}

async function bytesOf(file: SampleFile): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of file.body()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function sha256Of(file: SampleFile): Promise<string> {
  return createHash('sha256')
    .update(await bytesOf(file))
    .digest('hex');
}
