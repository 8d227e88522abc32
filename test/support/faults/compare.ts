/** All that a run leaves behind, and whether it is what an undisturbed run leaves. */

import assert from 'node:assert/strict';
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { openWorld, type World } from '../world.ts';

/** Table, ledger, failures and bucket, a line each, without times and the ids of runs. */
export interface Outcome {
  readonly table: readonly string[];
  readonly ledger: readonly string[];
  readonly failures: readonly string[];
  readonly bucket: readonly string[];
}

/** A change file of a test. */
export interface TestFile {
  readonly name: string;
  readonly body: string;
}

/** Reads the outcome of a world. */
export async function outcomeOf(world: World): Promise<Outcome> {
  const lines = async (sql: string): Promise<string[]> =>
    (await world.db.query<{ line: string }>(sql)).map(({ line }) => line);
  return {
    table: await lines(
      `select (to_jsonb(t) - 'loaded_at')::text as line from tickets.inc t order by ticket_id`,
    ),
    ledger: await lines(
      `select (to_jsonb(m) - '{id,imported_at,archived_at,metadata}'::text[]
           || jsonb_build_object('archived', archived_at is not null,
                'metadata', metadata - '{workflow_id,run_id,seconds}'::text[]))::text as line
       from tickets.import_meta m order by id`,
    ),
    failures: await lines(
      `select source_key || ' ' || kind as line from tickets.import_failures order by source_key, etag`,
    ),
    bucket: await listed(world),
  };
}

/** Scratch objects that a worker killed in its first second leaves: a later start removes them (docs/operations.md). */
const SCRATCH = '/.tidemark-probe-';

async function listed(world: World): Promise<string[]> {
  const lines: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client: world.s3 }, { Bucket: world.name }))
    for (const { Key = '', Size, ETag } of Contents)
      if (!Key.includes(SCRATCH)) lines.push(`${Key} ${Size} ${ETag}`);
  return lines;
}

/** Fails with the first difference of each part. */
export function assertSame(actual: Outcome, expected: Outcome): void {
  const parts = ['ledger', 'failures', 'bucket', 'table'] as const;
  const differences = parts.flatMap((part) => differenceOf(part, actual[part], expected[part]));
  assert.equal(differences.join('\n'), '');
}

function differenceOf(part: string, actual: readonly string[], expected: readonly string[]): string[] {
  const at = Array.from({ length: Math.max(actual.length, expected.length) }).findIndex(
    (_line, i) => actual[i] !== expected[i],
  );
  if (at < 0) return [];
  return [
    `${part}: ${actual.length} lines for ${expected.length}; line ${at + 1} is\n${actual[at]}\nand not\n${expected[at]}`,
  ];
}

const undisturbed = new WeakMap<readonly TestFile[], Promise<Outcome>>();

/** What an undisturbed run of these files leaves; run once for each array of files. */
export function undisturbedOutcome(files: readonly TestFile[]): Promise<Outcome> {
  const known = undisturbed.get(files);
  if (known) return known;
  const outcome = runUndisturbed(files);
  undisturbed.set(files, outcome);
  return outcome;
}

async function runUndisturbed(files: readonly TestFile[]): Promise<Outcome> {
  const world = await openWorld();
  try {
    for (const { name, body } of files) await world.put(name, body);
    await world.run();
    const outcome = await outcomeOf(world);
    assert.ok(outcome.table.length > 0 && outcome.ledger.length > 0 && outcome.failures.length === 0);
    return outcome;
  } finally {
    await world.close();
  }
}
