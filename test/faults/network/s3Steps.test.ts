import assert from 'node:assert/strict';
import { DOSE_TIMEOUT_MS, steps } from '../../support/faults/dose.ts';
import { FOUR_FILES, LARGE_FILE } from '../../support/faults/files.ts';
import { assertSameState, openGround, type Ground, type State } from '../../support/faults/ground.ts';
import { ingest, type Report } from '../../support/faults/ingest.ts';
import type { S3Harm, S3Request } from '../../support/faults/s3Proxy.ts';

const KIB64 = 64 * 1024;
/** How many of the requests the bounded form tries, for each harm. */
const FEW = 5;

const HARMS: Readonly<Record<string, S3Harm>> = {
  'cut before it arrives': 'cut',
  'carried out, the answer lost': 'lose the answer',
  'carried out, the answer never begun': 'stay silent',
  '500 InternalError': { status: 500, code: 'InternalError' },
  '503 SlowDown': { status: 503, code: 'SlowDown' },
};

describe('S3 fails at request 1, 2, 3 …', function () {
  this.timeout(DOSE_TIMEOUT_MS);
  let ground: Ground;
  let undisturbed: { report: Report; state: State };
  let requests: number;

  before(async () => {
    ground = await openGround();
    await ground.reset(FOUR_FILES);
    undisturbed = { report: await ingest(ground.deps), state: await ground.state() };
    requests = ground.s3.count;
  });
  after(() => ground.close());

  async function survives(what: string, rule: (request: S3Request) => S3Harm | undefined): Promise<void> {
    // What a store has learnt of the server changes its requests.
    await ground.restart();
    await ground.reset();
    let hits = 0;
    ground.s3.rule = (request) => {
      const harm = hits === 0 ? rule(request) : undefined;
      if (harm !== undefined) hits += 1;
      return harm ?? 'none';
    };
    const report = await ingest(ground.deps, { attemptMs: 20_000 });
    assert.equal(hits, 1, `${what} never came`);
    assert.deepEqual(report, undisturbed.report, what);
    assertSameState(await ground.state(), undisturbed.state);
    await ground.nothingLeft();
  }

  for (const [name, harm] of Object.entries(HARMS)) {
    it(`${name}: the retry ends where an undisturbed run does`, async () => {
      for (const step of steps(`s3 ${name}`, requests, FEW)) {
        await survives(`request ${step} of ${requests}`, ({ n }) => (n === step ? harm : undefined));
      }
    });
  }

  for (const body of ['cut', 'end', 'stall'] as const) {
    it(`a body that comes to ${body === 'cut' ? 'a reset' : body === 'end' ? 'a clean end' : 'silence'} after each 64 KiB`, async () => {
      const size = Buffer.byteLength(FOUR_FILES[LARGE_FILE] ?? '');
      const pieces = Math.floor((size - 1) / KIB64);
      assert.ok(pieces > 5, `${pieces} pieces`);
      for (const piece of steps(`s3 body ${body}`, pieces, body === 'stall' ? 2 : 4)) {
        await survives(`${piece} times 64 KiB`, ({ method, key }) =>
          method === 'GET' && key.endsWith(LARGE_FILE) ? { body, after: piece * KIB64 } : undefined,
        );
      }
    });
  }
});
