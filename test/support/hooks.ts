/** Root hooks: before the suite, the servers' programs are built where they are missing; the end of the suite looks for row values in all that was said, then ends the servers, and itself. */

import assert from 'node:assert/strict';
import { allHeard, HUSH } from './hush.ts';
import { installed, TEMPORAL, VERSITYGW } from '../../dev/servers/binaries.ts';
import { watchMainThread } from './mainThread.ts';
import { endShared, shared, sharedOrUndefined } from './shared.ts';

const LAST_LOOK_MS = 120_000;
const END_MS = 20_000;

watchMainThread();

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    // Minutes, once: no test has them.
    this.timeout(20 * 60_000);
    const there = await Promise.all([TEMPORAL, VERSITYGW].map(installed));
    if (there.includes(undefined)) await shared();
  },

  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(LAST_LOOK_MS);
    mustEndIn(LAST_LOOK_MS + END_MS);
    try {
      await nothingWasSaid();
    } finally {
      await endShared().finally(() => mustEndIn(END_MS));
    }
  },
};

/** What a test has left behind, or a server that is silent, would keep the process alive for ever. */
function mustEndIn(ms: number): void {
  setTimeout(() => {
    process.stderr.write(`the suite does not end: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.kill(process.pid, 'SIGKILL');
  }, ms).unref();
}

/** Privacy over the whole suite: no history, log or terminal output holds a value of any row, whatever failed. */
async function nothingWasSaid(): Promise<void> {
  const running = sharedOrUndefined();
  if (!running) return;
  for (const text of allHeard())
    assert.ok(!text.includes(HUSH), `a row's value was said: ${text.slice(0, 400)}`);
  const { temporal } = await running;
  for await (const { workflowId, runId } of temporal.workflow.list()) {
    const history = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    assert.ok(!sayable(history).includes(HUSH), `the history of ${workflowId} holds a row's value`);
  }
}

/** A history as text, its payloads decoded. */
export function sayable(history: unknown): string {
  return JSON.stringify(history, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
    return typeof value === 'bigint' ? String(value) : value;
  });
}
