import assert from 'node:assert/strict';
import { FOUR_FILES, LARGE_FILE } from '../../support/faults/files.ts';
import { assertSameState, openGround, type Ground } from '../../support/faults/ground.ts';
import { shared } from '../../support/shared.ts';

/** `TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE` of Temporal's API. */
const START_TO_CLOSE = 1;
/** The file takes longer so, and comes without a silence. */
const DRIP = { body: 'drip', bytes: 100_000, ms: 800 } as const;

describe('an attempt takes longer than it may', function () {
  this.timeout(90_000);
  let ground: Ground;
  before(async () => {
    ground = await openGround();
  });
  after(() => ground.close());

  it('Temporal gives it up, and so does its worker; the next one loads the file', async () => {
    const { bundle, temporal } = await shared();
    // Two hours in production, which is what the workflow's code says.
    const code = bundle.code.replaceAll(/(startToCloseTimeout: )'2 hours'/g, "$1'4 seconds'");
    assert.notEqual(code, bundle.code);
    await ground.reset(FOUR_FILES);
    const undisturbed = { result: await ground.runWorkflow(), state: await ground.state() };
    await ground.reset();
    let reads = 0;
    ground.s3.rule = ({ method, key }) =>
      method === 'GET' && key.endsWith(LARGE_FILE) && ++reads === 1 ? DRIP : 'none';
    const result = await ground.runWorkflow({ code });
    assert.deepEqual(result, undisturbed.result);
    assertSameState(await ground.state(), undisturbed.state);
    await ground.nothingLeft();
    assert.equal(reads, 2);
    const { events } = await temporal.workflow.getHandle(ground.lastWorkflowId).fetchHistory();
    const started = (events ?? []).flatMap((event) => event.activityTaskStartedEventAttributes ?? []);
    const again = started.filter(({ attempt }) => (attempt ?? 0) > 1);
    assert.deepEqual(
      again.map(({ attempt, lastFailure }) => [attempt, lastFailure?.timeoutFailureInfo?.timeoutType]),
      [[2, START_TO_CLOSE]],
    );
  });
});
