import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Deps } from '../../src/activities/deps.ts';
import { leash } from '../../src/activities/leash.ts';
import { loadFile } from '../../src/activities/loadFile.ts';
import { loadSmallFiles } from '../../src/activities/loadSmallFiles.ts';
import { moveFiles } from '../../src/activities/moveFiles.ts';
import { inc } from '../../src/datasets/inc.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { LARGE_FILE_BYTES, LATE_MOVE_MS, SLOT_MS } from '../../src/domain/slots.ts';
import { firstStep, nextStep } from '../../src/workflows/moveSteps.ts';

const FILE = { key: `${inc.changesPrefix}2026-03-01T00-01-00.csv`, etag: 'e' };

describe('a leash', () => {
  it('ends by the time, and says so', async () => {
    const time = leash(new AbortController().signal, 5);
    await delay(20);
    assert.deepEqual([time.signal.aborted, time.isOver()], [true, true]);
    time.release();
  });

  it('ends by the attempt’s signal, before or after the time, and is then not over', async () => {
    for (const before of [true, false]) {
      const attempt = new AbortController();
      const time = leash(attempt.signal, 5);
      if (before) attempt.abort();
      await delay(20);
      attempt.abort();
      assert.deepEqual([time.signal.aborted, time.isOver()], [true, false]);
      time.release();
    }
    assert.ok(leash(AbortSignal.abort(), 5).signal.aborted);
  });

  it('lets go of the attempt and of the clock, and ends what is still under way by it', async () => {
    const { signal } = new AbortController();
    const time = leash(signal, 5);
    time.release();
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
    assert.ok(time.signal.aborted, 'what was read ahead is read no further');
    await delay(20);
    assert.ok(!time.isOver());
  });

  it('may be listened to by any number of requests, without a warning', async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error): void => void warnings.push(warning);
    process.on('warning', hear);
    const time = leash(new AbortController().signal, 60_000);
    for (let n = 0; n < 20; n++) time.signal.addEventListener('abort', () => undefined);
    await delay(5);
    process.off('warning', hear);
    time.release();
    assert.deepEqual(warnings, []);
  });
});

describe('what its time breaks off', () => {
  /** Fails as the pool does where the signal aborts before a connection is had. */
  const pool = {
    query: () => Promise.resolve([]),
    withSession: async (signal: AbortSignal): Promise<never> => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      signal.throwIfAborted();
      throw new Error('unreachable');
    },
  };
  const moveAll = async ({ signal }: { readonly signal: AbortSignal }): Promise<never> => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    throw new TidemarkFailure('Cancelled', 'the call of S3 was cancelled');
  };
  const deps = { datasets: [inc], pool, store: { moveAll } } as unknown as Deps;
  const attempt = (): { signal: AbortSignal; provenance: Record<string, string> } => ({
    signal: new AbortController().signal,
    provenance: {},
  });
  const input = { dataset: inc.name, withinMs: 5 };

  it('is no defect: of a load, a batch or a move nothing is known', async () => {
    assert.deepEqual(await loadFile(deps, { ...input, ...FILE, mode: 'inOrder' }, attempt()), {
      outcome: 'slow',
    });
    const files = [{ ...FILE, mode: 'inOrder' as const }];
    assert.deepEqual(await loadSmallFiles(deps, { ...input, files }, attempt()), { results: [] });
    const moves = [{ ...FILE, to: 'processed' as const }];
    // The ledger has the deed of what is moved.
    const query = () => Promise.resolve([{ key: FILE.key }]);
    const applied = { ...deps, pool: { ...pool, query } } as unknown as Deps;
    assert.deepEqual(await moveFiles(applied, { ...input, files: moves }, attempt()), {
      moved: 0,
      notMoved: [],
      later: [FILE.key],
    });
  });

  it('is thrown on where the attempt itself is cancelled', async () => {
    const cancelled = { ...attempt(), signal: AbortSignal.timeout(5) };
    const long = { ...input, withinMs: 60_000 };
    await assert.rejects(loadFile(deps, { ...long, ...FILE, mode: 'inOrder' }, cancelled));
  });
});

describe('the steps of a move', () => {
  const ordinary = firstStep([{ size: 1 }, { size: LARGE_FILE_BYTES - 1 }]);
  const late = nextStep(ordinary, { moved: 'none' });

  it('go on in an ordinary slot as long as that does for some, then in one for large files', () => {
    assert.deepEqual(ordinary, { slot: 'ordinary', withinMs: SLOT_MS });
    assert.deepEqual(nextStep(ordinary, { moved: 'some' }), ordinary);
    assert.deepEqual(late, { slot: 'large', withinMs: LATE_MOVE_MS });
  });

  it('keep no slot from large files for an archive that does not answer', () => {
    assert.ok(late);
    assert.deepEqual(nextStep(late, { moved: 'some' }), late);
    assert.equal(nextStep(late, { moved: 'none' }), undefined);
  });

  it('of a large file take the time that its copy takes', () => {
    assert.deepEqual(firstStep([{ size: 1 }, { size: LARGE_FILE_BYTES }]), { slot: 'large' });
  });
});
