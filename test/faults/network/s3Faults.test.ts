import assert from 'node:assert/strict';
import { inc } from '../../../src/datasets/inc.ts';
import type { TidemarkFailure } from '../../../src/domain/failures.ts';
import { FOUR_FILES, LARGE_FILE } from '../../support/faults/files.ts';
import { assertSameState, openGround, PATIENT } from '../../support/faults/ground.ts';
import { ingest } from '../../support/faults/ingest.ts';
import { assertKind, rehearsed } from '../../support/faults/rehearsed.ts';
import type { S3Harm, S3Request } from '../../support/faults/s3Proxy.ts';
import { fileName, incFile } from '../../support/incFile.ts';

const FIRST = fileName(1);
/** Bytes come each time when most of it is over: only the silence between them counts, not all of them together. */
const STALL_MS = 2_000;
const DRIP_BYTES = 150_000;
const OTHER = incFile([{ ticket_id: 'OTHER' }]);

const isGet = ({ method, key }: S3Request, file: string): boolean => method === 'GET' && key.endsWith(file);
const isListing = ({ method, key }: S3Request): boolean => method === 'GET' && key === '';
const isCopy = ({ copies }: S3Request): boolean => copies;
const isDelete = ({ method }: S3Request): boolean => method === 'DELETE';

describe('S3 fails in a load', function () {
  this.timeout(60_000);
  const suite = rehearsed(FOUR_FILES, 20_000, PATIENT);

  /** Runs to the end under a rule, and compares. @returns the failures that were retried */
  async function survives(
    rule: (request: S3Request) => S3Harm | Promise<S3Harm>,
  ): Promise<readonly TidemarkFailure[]> {
    suite.ground.s3.rule = rule;
    return suite.survives();
  }

  /** Harms the first `times` requests of a kind. */
  function first(
    times: number,
    match: (request: S3Request) => boolean,
    harm: S3Harm,
  ): (request: S3Request) => S3Harm {
    let left = times;
    return (request) => {
      if (!match(request) || left === 0) return 'none';
      left -= 1;
      return harm;
    };
  }

  it('a body that drips is read to its end: it is slow, not silent', async () => {
    const slow = await openGround({ ...PATIENT, store: { stallMs: STALL_MS, requestMs: 10 * STALL_MS } });
    try {
      await slow.reset(FOUR_FILES);
      const failures: TidemarkFailure[] = [];
      const drip = { body: 'drip', bytes: DRIP_BYTES, ms: 0.7 * STALL_MS } as const;
      slow.s3.rule = first(1, (request) => isGet(request, LARGE_FILE), drip);
      const begun = performance.now();
      const report = await ingest(slow.deps, { onFailure: (failure) => failures.push(failure) });
      assert.ok(performance.now() - begun > 1.5 * STALL_MS);
      assert.deepEqual(failures, []);
      assert.deepEqual(report, suite.undisturbed.report);
      assertSameState(await slow.state(), suite.undisturbed.state);
      await slow.nothingLeft();
    } finally {
      await slow.close();
    }
  });

  it('a silent body is noticed within the stall time, and the file is read again', async () => {
    const begun = performance.now();
    const failures = await survives(
      first(1, (request) => isGet(request, LARGE_FILE), { body: 'stall', after: 100_000 }),
    );
    assertKind(failures, 'Stalled', 1);
    assert.ok(performance.now() - begun < 15_000);
  });

  for (const harm of [
    { body: 'cut', after: 300 },
    { body: 'end', after: 300 },
    { body: 'stall', after: 300 },
    { status: 200, code: 'InternalError' },
  ] as const) {
    const what = 'body' in harm ? `the middle of its answer: ${harm.body}` : 'a 200 that holds an error';
    it(`a listing comes to ${what}: it is not taken for a shorter one`, async () => {
      const failures = await survives(first(2, isListing, harm));
      assertKind(failures, 'S3Unavailable', 2);
    });
  }

  for (const [what, match] of [
    ['body', (request: S3Request) => isGet(request, '.csv')],
    ['copy', isCopy],
  ] as const) {
    it(`a 200 that holds an error is not taken for a ${what}`, async () => {
      const failures = await survives(first(8, match, { status: 200, code: 'InternalError' }));
      assert.ok(failures.length > 0);
      assertKind(failures, 'S3Unavailable');
    });
  }

  it('500 and 503 to every request, until six were met', async () => {
    let met = 0;
    suite.ground.s3.rule = ({ n }) => {
      if (met >= 6) return 'none';
      return n % 2 === 0 ? { status: 503, code: 'SlowDown' } : { status: 500, code: 'InternalError' };
    };
    const failures = await suite.survives((count) => (met = count));
    assertKind(failures, 'S3Unavailable', 6);
  });

  it('the SDK’s own retries, as the worker has them, hide a few of them', async () => {
    const patient = await openGround({ ...PATIENT, store: { ...PATIENT.store, maxAttempts: 3 } });
    try {
      await patient.reset(FOUR_FILES);
      const failures: TidemarkFailure[] = [];
      patient.s3.rule = ({ n }) => (n % 6 === 0 ? { status: 503, code: 'SlowDown' } : 'none');
      const report = await ingest(patient.deps, { onFailure: (failure) => failures.push(failure) });
      assert.deepEqual(report, suite.undisturbed.report);
      assertSameState(await patient.state(), suite.undisturbed.state);
      await patient.nothingLeft();
      assert.ok(failures.length < 5, `${failures.length} failures`);
    } finally {
      await patient.close();
    }
  });

  it('403 ends the run, nothing of the file is applied; allowed again, the next run ends well', async () => {
    suite.ground.s3.rule = first(2, (request) => isGet(request, LARGE_FILE), {
      status: 403,
      code: 'AccessDenied',
    });
    await assert.rejects(ingest(suite.ground.deps), { kind: 'S3Refused' });
    const stopped = await suite.ground.state();
    assert.deepEqual([stopped.ledger.length, stopped.openFailures], [1, []]);
    await suite.ground.nothingLeft();
    const report = await ingest(suite.ground.deps);
    assert.equal(report.applied, 3);
    assertSameState(await suite.ground.state(), suite.undisturbed.state);
    await suite.ground.nothingLeft();
  });

  it('404 of a listed key stops the dataset there; its object seen again, the next run ends well', async () => {
    suite.ground.s3.rule = first(2, (request) => isGet(request, LARGE_FILE), {
      status: 404,
      code: 'NoSuchKey',
    });
    await assert.rejects(ingest(suite.ground.deps), { kind: 'FileVanished' });
    assert.equal((await suite.ground.state()).ledger.length, 1);
    const report = await ingest(suite.ground.deps);
    assert.equal(report.applied, 3);
    assertSameState(await suite.ground.state(), suite.undisturbed.state);
    await suite.ground.nothingLeft();
  });

  it('a 404 that is no answer of S3’s is not taken for a missing object', async () => {
    suite.ground.s3.rule = first(2, (request) => isGet(request, LARGE_FILE), {
      status: 404,
      code: 'RouteNotFound',
    });
    await assert.rejects(ingest(suite.ground.deps), { kind: 'S3Refused' });
    assert.deepEqual((await suite.ground.state()).openFailures, []);
    await ingest(suite.ground.deps);
    assertSameState(await suite.ground.state(), suite.undisturbed.state);
    await suite.ground.nothingLeft();
  });

  for (const file of [FIRST, LARGE_FILE]) {
    it(`${file === FIRST ? 'a small' : 'a large'} object replaced between the listing and its read: the new content is applied`, async () => {
      let replaced = false;
      suite.ground.s3.rule = async (request): Promise<S3Harm> => {
        if (!replaced && isGet(request, file)) {
          replaced = true;
          await suite.ground.put(file, OTHER);
        }
        return 'none';
      };
      const report = await ingest(suite.ground.deps);
      const state = await suite.ground.state();
      await suite.ground.nothingLeft();
      await suite.ground.reset({ ...FOUR_FILES, [file]: OTHER });
      assert.deepEqual(report, await ingest(suite.ground.deps));
      assertSameState(await suite.ground.state(), state);
      await suite.ground.reset(FOUR_FILES);
    });

    it(`${file === FIRST ? 'a small' : 'a large'} object replaced between its load and its archive: left where it is, and said`, async () => {
      let replaced = false;
      suite.ground.s3.rule = async (request): Promise<S3Harm> => {
        if (!replaced && (isCopy(request) || request.method === 'HEAD') && request.key.endsWith(file)) {
          replaced = true;
          await suite.ground.put(file, OTHER);
        }
        return 'none';
      };
      const report = await ingest(suite.ground.deps);
      assert.deepEqual([replaced, report.applied, report.archived], [true, 4, 3]);
      const state = await suite.ground.state();
      assert.deepEqual(state.table, suite.undisturbed.state.table);
      assert.equal(
        (await suite.ground.deps.store.head({ key: inc.changesPrefix + file }))?.size,
        OTHER.length,
      );
      await suite.ground.put(file, FOUR_FILES[file] ?? '');
      await ingest(suite.ground.deps);
      assertSameState(await suite.ground.state(), suite.undisturbed.state);
      await suite.ground.nothingLeft();
    });
  }

  for (const [what, match] of [
    ['copy', isCopy],
    ['delete', isDelete],
  ] as const) {
    for (const harm of [
      'cut',
      'lose the answer',
      'stay silent',
      { status: 503, code: 'SlowDown' },
    ] as const) {
      it(`a ${what} of an archive: ${typeof harm === 'string' ? harm : harm.code}, twice and more`, async () => {
        const failures = await survives(first(harm === 'stay silent' ? 2 : 8, match, harm));
        assert.ok(failures.length > 0);
      });
    }
  }

  it('the copy is refused for good: the files stay and are applied; allowed again, the next run archives them', async () => {
    suite.ground.s3.rule = (request) => (isCopy(request) ? { status: 403, code: 'AccessDenied' } : 'none');
    await assert.rejects(ingest(suite.ground.deps), { kind: 'S3Refused' });
    suite.ground.s3.heal();
    await ingest(suite.ground.deps);
    assertSameState(await suite.ground.state(), suite.undisturbed.state);
    await suite.ground.nothingLeft();
  });

  it('the worker is gone as soon as S3 has carried out the delete: the next run notes the archive', async () => {
    const life = new AbortController();
    suite.ground.s3.rule = (request) => {
      if (isDelete(request)) life.abort();
      return isDelete(request) ? 'lose the answer' : 'none';
    };
    await assert.rejects(ingest(suite.ground.deps, { signal: life.signal }));
    assert.ok(life.signal.aborted);
    await suite.ground.restart();
    suite.ground.s3.heal();
    await ingest(suite.ground.deps);
    assertSameState(await suite.ground.state(), suite.undisturbed.state);
    await suite.ground.nothingLeft();
  });
});
