/** Section j: the memory of a worker that reads eight large files at once, plain and packed. */

import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Zstd } from '@hpcc-js/wasm-zstd';
import { slotsOf } from '../../../src/domain/slots.ts';
import { sampleStream } from '../../sample/stream.ts';
import type { Figure } from '../figure.ts';
import type { SectionInput } from '../loads.ts';
import { peakOf } from '../workerRuns.ts';
import { afresh, nameAt, put, runOf, startWorkers, withDatasets, type Side } from './many.ts';

const MB = 1e6;
/** Large files at once, each of a dataset of its own, and the loads of a worker that has so many slots for them. */
const FILES = 8;
const LOADS = 32;

/** As an exporter would pack them: the programs' own levels. */
const PACKINGS: Readonly<Record<string, (text: Buffer) => Promise<Uint8Array>>> = {
  csv: async (text) => text,
  'csv.gz': (text) => promisify(gzip)(text),
  'csv.zst': async (text) => (await Zstd.load()).compress(text),
};

/** @param size rows of each file */
export async function packedSideBySide(
  input: SectionInput,
  size: { readonly rows: number },
): Promise<Figure[]> {
  if (slotsOf(LOADS).large !== FILES) throw new Error('a slot for each file');
  const [baseline] = sampleStream({ rows: size.rows, deltas: [] });
  if (!baseline) throw new Error('a sample has a baseline');
  const text = await buffer(baseline.body());
  return withDatasets(input.ground, FILES, async (side) => {
    const figures: Figure[] = [];
    for (const [ending, pack] of Object.entries(PACKINGS)) {
      const body = Buffer.from(await pack(text));
      figures.push(...(await reading(input, side, { ending, body, text: text.length })));
    }
    return figures;
  });
}

interface Packed {
  readonly ending: string;
  readonly body: Buffer;
  /** Bytes of it, once it is unpacked. */
  readonly text: number;
}

/** Reads it for each dataset at once, in a process of its own. */
async function reading(
  { say, note }: SectionInput,
  side: Side,
  { ending, body, text }: Packed,
): Promise<Figure[]> {
  const { ground, datasets } = side;
  await afresh(side);
  const name = nameAt(0).replace('csv', ending);
  for (const { changesPrefix } of datasets) await put(ground, { key: changesPrefix + name, body });
  const queue = `bench-${randomUUID()}`;
  const [worker] = await startWorkers(side, queue, 1, LOADS);
  const begun = performance.now();
  const results = await Promise.all(datasets.map((dataset) => runOf(side, queue, dataset)));
  const seconds = (performance.now() - begun) / 1000;
  const peak = worker && (await peakOf(worker.pid()));
  await worker?.stop();
  if (results.some(({ applied }) => applied !== 1)) throw new Error('not all files were applied');
  if (peak === undefined) note('Section j has no memory: only Linux says what a process has had.');
  say(`  ${ending}: ${seconds.toFixed(1)} s, ${((peak ?? Number.NaN) / MB).toFixed(0)} MB`);
  const what = `${FILES} .${ending} of ${Math.round(text / MB)} MB of text (${Math.round(body.length / MB)} MB) at once, one worker of ${LOADS} loads`;
  return [
    { id: `j.${ending}.time`, what, unit: 's', samples: [seconds] },
    ...(peak === undefined
      ? []
      : [
          {
            id: `j.${ending}.memory`,
            what: `${what}: peak memory`,
            unit: 'MB' as const,
            samples: [peak / MB],
          },
        ]),
  ];
}
