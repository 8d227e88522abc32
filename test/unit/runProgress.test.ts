import assert from 'node:assert/strict';
import { RunProgress } from '../../src/client/runProgress.ts';

const MIB = 1024 * 1024;

describe('the progress of a run, in one line', () => {
  it('says file n of m, bytes and rows, rate and time left', () => {
    const progress = new RunProgress(0);
    progress.pends('a/1.csv', 10 * MIB);
    progress.pends('a/2.csv', 30 * MIB);
    progress.applied('a/1.csv');
    const loading = { key: 'a/2.csv', size: 30 * MIB, bytes: 10 * MIB, rows: 12_345, attempt: 1 };
    assert.equal(
      progress.line(loading, 10_000),
      '[##########----------] file 2 of 2 · 2.csv · 10.0 of 30.0 MiB · 12,345 rows · 2.0 MiB/s · about 10 s left',
    );
    assert.match(
      progress.line({ ...loading, bytes: 30 * MIB, attempt: 3 }, 10_000),
      /30\.0 MiB read, merging .* attempt 3/,
    );
  });

  it('counts a file once, however late its listing comes, and says no total where nobody knows it', () => {
    const progress = new RunProgress(0);
    progress.applied('a/1.csv');
    assert.equal(progress.line(undefined, 0), '[--------------------] 1 applied');
    progress.pends('a/1.csv', MIB);
    progress.pends('a/2.csv', MIB);
    assert.equal(progress.line(undefined, 0), '[##########----------] file 2 of 2');
  });

  it('forgets a heartbeat that is older than the ledger row of its file', () => {
    const progress = new RunProgress(0);
    progress.pends('a/1.csv', MIB);
    progress.applied('a/1.csv');
    const loading = { key: 'a/1.csv', size: MIB, bytes: MIB, rows: 1, attempt: 1 };
    assert.equal(progress.line(loading, 0), '[####################] 1 applied');
  });
});
