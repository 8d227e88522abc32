/** The sample's change files: a baseline and deltas, generated as they are read, the same for the same options. */

import { inc } from '../../src/datasets/inc.ts';
import { parseChangeFileName, type ObjectKey } from '../../src/domain/changeFile.ts';
import { toCsv } from './csv.ts';
import { baselineRows, deltaRows, groundOf, mixOf, type DeltaInput, type Ground } from './rows.ts';
import { stampOf } from './times.ts';

/** The size, the seed and the times of a sample. */
export interface SampleOptions {
  /** Rows of the baseline, its sentinel among them; at least 1. Default 34,849, about 15 MB. */
  readonly rows?: number;
  /** Rows of each delta. Default 1, 22 and 131. */
  readonly deltas?: readonly number[];
  readonly seed?: number;
  /** The baseline's stamp. Default long ago, so that no file lies in the future. */
  readonly firstStamp?: string;
  /** Between two change files. Default 5. */
  readonly stepMinutes?: number;
}

/** What loading a file, after all those before it, does. */
interface Expected {
  readonly read: number;
  readonly sentinel: number;
  readonly alarm: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** One change file of a sample. */
export interface SampleFile {
  readonly key: ObjectKey;
  readonly exportType: 'baseline' | 'delta';
  readonly expected: Expected;
  /** The bytes, generated anew by each call, in chunks of about 64 KiB. */
  body(): AsyncIterable<Buffer>;
}

/** The sizes of the stream that the project was made for. */
export const BASELINE_ROWS = 34_849;
export const DELTA_ROWS: readonly number[] = [1, 22, 131];

const FIRST_STAMP = '2025-11-03T06-00-00';
const MINUTE_MS = 60 * 1000;

/** The files of a sample, in order. Nothing is generated until a body is read. */
export function sampleStream(options: SampleOptions = {}): SampleFile[] {
  const { rows = BASELINE_ROWS, deltas = DELTA_ROWS, seed = 1 } = options;
  const { firstStamp = FIRST_STAMP, stepMinutes = 5 } = options;
  const first = parseChangeFileName(inc.changesPrefix, `${inc.changesPrefix}${firstStamp}.csv`);
  if (!first) throw new Error(`${firstStamp} is no stamp: YYYY-MM-DDTHH-mm-ss`);
  const stepMs = stepMinutes * MINUTE_MS;
  const ground = groundOf({ seed, tickets: rows - 1, stepMs, start: first.stamp });
  const files = [baseline(ground)];
  let next = ground.tickets;
  for (const [index, size] of deltas.entries()) {
    const mix = mixOf(ground, size);
    files.push(delta(ground, { version: index + 1, next, mix }));
    next += mix.inserted + mix.alarm;
  }
  return files;
}

function baseline(ground: Ground): SampleFile {
  const inserted = ground.quiet + ground.lively;
  const alarm = ground.tickets - inserted;
  return {
    key: keyAt(ground, 0),
    exportType: 'baseline',
    expected: { read: ground.tickets + 1, sentinel: 1, alarm, inserted, updated: 0, unchanged: 0 },
    body: () => toCsv(baselineRows(ground)),
  };
}

function delta(ground: Ground, input: DeltaInput): SampleFile {
  const { alarm, inserted, updated, unchanged } = input.mix;
  return {
    key: keyAt(ground, input.version),
    exportType: 'delta',
    expected: { read: alarm + inserted + updated + unchanged, sentinel: 0, ...input.mix },
    body: () => toCsv(deltaRows(ground, input)),
  };
}

function keyAt(ground: Ground, index: number): ObjectKey {
  return `${inc.changesPrefix}${stampOf(ground.start + index * ground.stepMs)}.csv`;
}
