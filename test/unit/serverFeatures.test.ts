import assert from 'node:assert/strict';
import { kept } from '../../src/activities/serverFeatures.ts';

describe('what the Temporal server offers is asked', () => {
  let asked = 0;
  let time = 0;
  beforeEach(() => {
    asked = 0;
    time = 0;
  });

  /** Answers one after the other; then it must not be asked. */
  function asker(...answers: readonly boolean[]): () => Promise<boolean> {
    return kept(
      async () => {
        const answer = answers[asked++];
        assert.ok(answer !== undefined, 'asked too often');
        return answer;
      },
      () => time,
    );
  }

  it('once by all who ask at once', async () => {
    const ask = asker(true);
    assert.deepEqual(await Promise.all([ask(), ask()]), [true, true]);
    assert.equal(asked, 1);
  });

  it('again after five minutes, whatever it said', async () => {
    const ask = asker(false, true, false);
    assert.equal(await ask(), false);
    time = 299_999;
    assert.deepEqual([await ask(), asked], [false, 1]);
    time = 300_000;
    assert.deepEqual([await ask(), await ask(), asked], [true, true, 2]);
    time = 600_000;
    assert.deepEqual([await ask(), asked], [false, 3]);
  });
});
