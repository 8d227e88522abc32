/** The log as JSON lines on stderr, one event each, for whatever collects them. */

import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { printable } from '../client/terminal.ts';
import { framesOf } from '../domain/frames.ts';

/** A logger for the runtime. */
export function jsonLogger(
  write: (line: string) => unknown = (line) => process.stderr.write(line),
): DefaultLogger {
  return new DefaultLogger('INFO', (entry) => write(jsonLine(entry)));
}

/** Tokens say nothing to a reader, and are long. */
const LEFT_OUT = new Set(['taskToken', 'error', 'sdkComponent']);

/** An event as a line: time, level and message first, then where, then the rest. */
export function jsonLine({ level, message, timestampNanos, meta = {} }: LogEntry): string {
  const time = new Date(Number(timestampNanos / 1_000_000n)).toISOString();
  const { error } = meta as { error?: unknown };
  const place = placeOf(error);
  const {
    dataset = place['dataset'],
    key = place['key'],
    workflowId,
    // The SDK has two words for it, one in activities and one in workflows.
    workflowRunId,
    runId = workflowRunId,
    ...rest
  } = meta as Record<string, unknown>;
  const kept = Object.fromEntries(Object.entries(rest).filter(([name]) => !LEFT_OUT.has(name)));
  const line = { time, level, message, dataset, key, workflowId, runId, ...kept, ...saidOf(error) };
  const text = JSON.stringify(line, (_name, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  // What JSON lets through and a terminal obeys is written as JSON's own escape: the same document.
  return `${printable(text)}\n`;
}

/** Our failures carry where they happened. */
function placeOf(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error) || !('details' in error) || !Array.isArray(error.details)) return {};
  const [details] = error.details as unknown[];
  return typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {};
}

function saidOf(error: unknown): Readonly<Record<string, unknown>> {
  if (error === undefined) return {};
  if (!(error instanceof Error)) return { error: 'something that is no error' };
  const kind = 'type' in error ? error.type : error.name;
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {};
  return { error: error.message, errorKind: kind, ...cause, frames: framesOf(error).slice(0, 8) };
}
