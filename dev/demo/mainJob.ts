/** The demo's steps, each checked against what the sample announces. */

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { inc } from '../../src/datasets/inc.ts';
import { archiveKey } from '../../src/domain/changeFile.ts';
import { startStack, type Stack } from '../embedded.ts';
import { BASELINE_ROWS, DELTA_ROWS, sampleStream, type SampleFile } from '../sample/stream.ts';
import { recentStart, stampOf } from '../sample/times.ts';
import { writeSampleStream } from '../sample/write.ts';
import { asLoader } from './login.ts';
import { openReader, type Footprint, type LedgerRow, type Reader } from './findings.ts';
import { build, startWorker, tidemark } from './product.ts';
import {
  bold,
  count,
  detail,
  dim,
  say,
  seconds,
  size,
  step,
  tableLine,
  wait,
  type TableColumn,
} from './terminal.ts';

/** Far more than a slow machine needs; a run that takes longer hangs. */
const RUN_MS = 5 * 60_000;
const LOOK_MS = 100;

const TABLE: readonly TableColumn[] = [
  { title: 'file', width: 23, align: 'left' },
  { title: 'type', width: 8, align: 'left' },
  { title: 'read', width: 6, align: 'right' },
  { title: 'alarms', width: 6, align: 'right' },
  { title: 'sentinel', width: 8, align: 'right' },
  { title: 'inserted', width: 8, align: 'right' },
  { title: 'updated', width: 7, align: 'right' },
  { title: 'unchanged', width: 9, align: 'right' },
  { title: 'time', width: 7, align: 'right' },
];

/** What the steps share. */
interface Demo {
  readonly stack: Stack;
  readonly reader: Reader;
  readonly files: readonly SampleFile[];
  readonly signal: AbortSignal;
}

export function buildAndStart(signal: AbortSignal): Promise<Stack> {
  return step('Build Tidemark, start Temporal, PostgreSQL 18 and S3', async () => {
    wait('building');
    await build(signal);
    wait('starting');
    const onProgress = (message: string): void => {
      detail(message);
      wait('starting');
    };
    const stack = await startStack({ ui: true, onProgress });
    detail(`Temporal UI: ${bold(stack.temporalUi)}`);
    return stack;
  });
}

/** Runs the main job on a stack. @returns the URL of the run that loaded the files, in the Temporal UI. */
export async function runMainJob(stack: Stack, signal: AbortSignal): Promise<string> {
  const firstStamp = stampOf(recentStart(Date.now(), DELTA_ROWS.length + 1));
  const files = sampleStream({ rows: BASELINE_ROWS, deltas: DELTA_ROWS, firstStamp });
  const reader = await openReader(stack);
  const owner: Demo = { stack, reader, files, signal };
  await writeStream(owner);
  const demo = await migrate(owner);
  const worker = await step('Start the worker', () => {
    wait('until it polls');
    return startWorker(demo.stack, reader.temporal);
  });
  const run = await Promise.race([useWorker(demo), worker.failure()]);
  // Not where a step failed: closing a Temporal connection under a call that is being retried ends the process with
  // an exception of gRPC's ("Channel has been shut down").
  await reader.close();
  return `${stack.temporalUi}/namespaces/${stack.env['TEMPORAL_NAMESPACE']}/workflows/${run}`;
}

/** @returns the place of the scheduled run in the UI */
async function useWorker(demo: Demo): Promise<string> {
  await applySchedule(demo);
  const run = await loadBySchedule(demo);
  const footprint = await showResult(demo);
  await runAgain(demo, footprint);
  return run;
}

function writeStream({ reader, files }: Demo): Promise<void> {
  return step(`Write the change stream to s3://${reader.bucket}/${inc.changesPrefix}`, async () => {
    wait('writing');
    await writeSampleStream({
      ...reader,
      files,
      onWritten: ({ file, bytes }) => {
        detail(
          `${nameOf(file.key)}  ${size(bytes).padStart(9)}  ${count(file.expected.read).padStart(6)} ${file.expected.read === 1 ? 'row' : 'rows'}`,
        );
      },
    });
    detail(dim('and three empty folder placeholders of an older exporter: full/, latest.csv/, latest.json/'));
  });
}

/** @returns what is used from here on: not the tables' owner, but a login with the worker's rights. */
function migrate(owner: Demo): Promise<Demo> {
  return step('Create the tables', async () => {
    await type(owner.stack, ['migrate'], owner.signal);
    const stack = await asLoader(owner.stack);
    detail('from here on with the rights of tidemark_worker alone');
    return { ...owner, stack };
  });
}

function applySchedule({ stack, signal }: Demo): Promise<void> {
  return step(`Schedule the run: ${inc.cron}, ${inc.timeZone}`, () =>
    type(stack, ['schedule', 'apply', inc.name], signal),
  );
}

/** @returns the scheduled run's place in the UI: `<workflow id>/<run id>/history`. */
function loadBySchedule(demo: Demo): Promise<string> {
  const { stack, reader, files, signal } = demo;
  return step('A scheduled run loads the stream', async () => {
    await type(stack, ['schedule', 'trigger', inc.name], signal);
    const run = await scheduledRun(reader, signal);
    say();
    detail(tableLine(TABLE));
    await showLoads(demo, run.handle);
    assertLedger(await reader.ledger(), files);
    return run.path;
  });
}

/** The run that the schedule started; the trigger did, or the clock just before. */
async function scheduledRun(
  reader: Reader,
  signal: AbortSignal,
): Promise<{ path: string; handle: WorkflowHandle }> {
  const schedule = reader.temporal.schedule.getHandle(`ingest-${inc.name}`);
  return until('the schedule starts a run', signal, async () => {
    const { info } = await schedule.describe();
    const started = info.recentActions.at(-1)?.action.workflow;
    if (!started) return undefined;
    const { workflowId, firstExecutionRunId } = started;
    return {
      path: `${encodeURIComponent(workflowId)}/${firstExecutionRunId}/history`,
      handle: reader.temporal.workflow.getHandle(workflowId, firstExecutionRunId),
    };
  });
}

/** Prints a line for each file as the ledger has it, until the run has ended. */
async function showLoads({ reader, signal }: Demo, handle: WorkflowHandle): Promise<void> {
  let ended = false;
  const result = handle.result().finally(() => (ended = true));
  result.catch(() => undefined);
  let shown = 0;
  wait('loading');
  await until('the run ends', signal, async () => {
    const done = ended;
    const ledger = await reader.ledger();
    for (const row of ledger.slice(shown)) detail(tableLine(TABLE, cells(row)));
    if (ledger.length > shown) wait('loading');
    shown = ledger.length;
    return done || undefined;
  });
  await result;
}

function cells(row: LedgerRow): string[] {
  return [
    nameOf(row.key),
    row.exportType,
    ...[row.read, row.alarm, row.sentinel, row.inserted, row.updated, row.unchanged].map(count),
    row.seconds === null ? '' : seconds(row.seconds),
  ];
}

function showResult({ reader, files }: Demo): Promise<Footprint> {
  return step('What is there now', async () => {
    const footprint = await reader.footprint();
    const rows = files.reduce((sum, { expected }) => sum + expected.inserted, 0);
    const archived = footprint.objects.filter((object) => object.startsWith(inc.processedPrefix));
    const left = footprint.objects.filter((object) => object.startsWith(inc.changesPrefix));
    detail(`table      tickets.${inc.table}, ${count(footprint.rows)} tickets`);
    detail(`watermark  ${footprint.watermark}`);
    detail(`archive    ${archived.length} files in ${inc.processedPrefix}`);
    detail(`left       ${left.length} folder placeholders in ${inc.changesPrefix}`);
    assert.equal(footprint.rows, rows, 'tickets in the table');
    assert.equal(footprint.watermark, files.at(-1)?.key, 'watermark');
    assert.deepEqual(
      archived.map((object) => object.split(' ')[0]),
      files.map(({ key }) => archiveKey(inc, key)),
      'archived files',
    );
    assert.equal(left.length, 3, 'objects left beside the archive');
    return footprint;
  });
}

function runAgain({ stack, reader, signal }: Demo, before: Footprint): Promise<void> {
  return step('A second run changes nothing', async () => {
    await type(stack, ['start', inc.name, '--wait'], signal);
    const after = await reader.footprint();
    assert.deepEqual(after, before, 'a second run changes nothing');
    detail(
      `same ${count(after.rows)} tickets, none written again; ${after.ledger} ledger rows; ${after.objects.length} objects`,
    );
  });
}

/** The ledger has one row per file, in order, with the counts that the sample announces. */
function assertLedger(ledger: readonly LedgerRow[], files: readonly SampleFile[]): void {
  assert.deepEqual(
    ledger.map(({ seconds: _seconds, ...row }) => row),
    files.map(({ key, exportType, expected }) => ({ key, exportType, ...expected, archived: true })),
    'the ledger is not what the sample announces',
  );
}

/** Types a command, showing it and what it prints. */
async function type(stack: Stack, args: readonly string[], signal: AbortSignal): Promise<void> {
  const command = `tidemark ${args.join(' ')}`;
  wait(command);
  const printed = await tidemark(stack, args, signal);
  detail(`$ ${command}`);
  for (const line of printed.split('\n')) if (line.trim() !== '') detail(dim(`  ${line}`));
}

/** Looks until there is something. @throws where there is nothing within the time for a run. */
async function until<T>(what: string, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + RUN_MS; Date.now() < deadline;) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(LOOK_MS, undefined, { signal });
  }
  throw new Error(`waited ${RUN_MS / 1000} s in vain until ${what}`);
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
