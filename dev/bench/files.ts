/** The change files that the bench loads: on disk for psql and its like, in the bucket for us. */

import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { DeleteObjectsCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { inc } from '../../src/datasets/inc.ts';
import { toCsv } from '../sample/csv.ts';
import { baselineRows, groundOf } from '../sample/rows.ts';
import type { SampleFile } from '../sample/stream.ts';
import { HEADER, type Row } from '../sample/ticket.ts';
import { stampOf, withOffset } from '../sample/times.ts';
import type { Ground } from './ground.ts';

/** An object in the bucket. */
export interface StoredFile {
  readonly key: string;
  readonly etag: string;
}

/** An object with a copy of it on the local disk. */
export interface BenchFile extends StoredFile {
  readonly path: string;
  readonly bytes: number;
  /** Its sentinel among them. */
  readonly rows: number;
}

/** Which of the baseline's rows are another version: every tenth is a tenth of those that are kept, too. */
export type Changes = 'none' | 'tenth' | 'every';

const MINUTE_MS = 60_000;
/** Small files put at once. */
const SIDE_BY_SIDE = 8;
/** Long ago, so that no file lies in the future. */
const FIRST = Date.UTC(2025, 10, 3, 3);

/** The key of the file that comes at this place in the stream. */
export function keyAt(place: number): string {
  return `${inc.changesPrefix}${stampOf(FIRST + place * 5 * MINUTE_MS)}.csv`;
}

/** Writes a baseline, with changes or without, to disk and into the bucket. */
export async function writeFile(
  ground: Ground,
  input: { readonly rows: number; readonly place: number; readonly changes: Changes },
): Promise<BenchFile> {
  const { rows, place, changes } = input;
  const path = join(ground.directory, `${rows}-${changes}.csv`);
  await pipeline(toCsv(rowsOf(rows, changes)), createWriteStream(path));
  return { path, rows, ...(await store(ground, path, keyAt(place))) };
}

/**
 * Writes a baseline of millions of rows: the rows of a small one again and again, under other keys. To think of each anew
 * would take longer than what is measured.
 */
export async function writeLargeFile(
  ground: Ground,
  input: { readonly rows: number; readonly place: number; readonly changes: 'none' | 'tenth' },
): Promise<BenchFile> {
  const { rows, place, changes } = input;
  const path = join(ground.directory, `${rows}-repeated.csv`);
  await pipeline(repeated(rows, changes), createWriteStream(path));
  return { path, rows, ...(await store(ground, path, keyAt(place))) };
}

/** Puts files of a sample into the bucket, several at once. @returns them in their order */
export async function putSample({ s3, bucket }: Ground, files: readonly SampleFile[]): Promise<StoredFile[]> {
  const stored: StoredFile[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < files.length; at = next++) {
      const file = files[at];
      if (!file) return;
      const { key } = file;
      const Body = await buffer(file.body());
      const { ETag = '' } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body }));
      stored[at] = { key, etag: ETag.replaceAll('"', '') };
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  return stored;
}

/** Removes all objects. */
export async function emptyBucket({ s3, bucket }: Ground): Promise<void> {
  for (;;) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    if (Contents.length === 0) return;
    const Objects = Contents.map(({ Key }) => ({ Key }));
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
  }
}

/** Puts the same bytes under another key. */
export async function again(ground: Ground, file: BenchFile, place: number): Promise<BenchFile> {
  return { ...file, ...(await store(ground, file.path, keyAt(place))) };
}

async function store(
  { s3, bucket }: Ground,
  path: string,
  key: string,
): Promise<StoredFile & { readonly bytes: number }> {
  const { size } = await stat(path);
  const Body = createReadStream(path, { highWaterMark: 1024 * 1024 });
  const { ETag = '' } = await s3.send(
    new PutObjectCommand({ Bucket: bucket, Key: key, Body, ContentLength: size }),
  );
  return { key, etag: ETag.replaceAll('"', ''), bytes: size };
}

function* rowsOf(rows: number, changes: Changes): Generator<Partial<Row>> {
  const ground = groundOf({ seed: 1, tickets: rows - 1, stepMs: 5 * MINUTE_MS, start: FIRST });
  const every = { none: Infinity, tenth: 10, every: 1 }[changes];
  let number = 0;
  for (const row of baselineRows(ground)) {
    // The first one is the sentinel.
    yield number > 0 && number % every === 0 ? changed(row) : row;
    number += 1;
  }
}

/** As after somebody worked on the ticket. */
function changed(row: Partial<Row>): Partial<Row> {
  return {
    ...row,
    description: `${row.description} Reviewed.`,
    raw_status: row.raw_status === 'Pending' ? 'In Progress' : 'Pending',
    assigned_to: row.assigned_to === 'A. Mwangi' ? 'J. Otieno' : 'A. Mwangi',
    updated_at: withOffset(FIRST),
  };
}

/** Rows that are repeated. */
const REPEATED = 10_000;

async function* repeated(rows: number, changes: 'none' | 'tenth'): AsyncGenerator<Buffer> {
  const header = HEADER.join(',');
  const rests: string[] = [];
  for (const row of rowsOf(REPEATED + 1, 'none')) {
    const text = (await buffer(toCsv([row]))).toString().slice(header.length + 1);
    rests.push(text.slice(text.indexOf(',')));
  }
  // Without the sentinel.
  rests.shift();
  let text = `${header}\n`;
  for (let n = 0; n < rows; n++) {
    const rest = rests[n % REPEATED] ?? '';
    const isChanged = changes === 'tenth' && n % 10 === 0;
    // The description is quoted always.
    text += `INC${String(n).padStart(9, '0')}${isChanged ? rest.replace('"', '"Reviewed. ') : rest}`;
    if (text.length < REPEATED_BYTES) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

const REPEATED_BYTES = 1024 * 1024;
