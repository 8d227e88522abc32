import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findProgram, TEMPORAL } from '../../dev/servers/binaries.ts';
import { until } from '../support/faults/deadline.ts';
import { fileName, incFile } from '../support/incFile.ts';
import { ownTemporal, type OwnTemporal } from '../support/ownTemporal.ts';
import { openWorld, type World } from '../support/world.ts';

const run = promisify(execFile);
/** `VersioningBehavior.VERSIONING_BEHAVIOR_PINNED` of Temporal's API. */
const PINNED = 1;

describe('versioned workers', function () {
  this.timeout(120_000);
  let temporal: OwnTemporal;
  let world: World;

  before(async () => {
    temporal = await ownTemporal({ ui: false });
    world = await openWorld(undefined, temporal.parts);
  });
  after(async () => {
    await world?.close();
    await temporal?.stop();
  });

  function work(buildId: string): void {
    world.workProcess({
      ...world.env,
      TEMPORAL_DEPLOYMENT_NAME: 'tidemark',
      TEMPORAL_WORKER_BUILD_ID: buildId,
    });
  }

  /** As docs/versions.md types it; again until the worker's first poll has made the version known. */
  async function makeCurrent(buildId: string): Promise<void> {
    const command = await findProgram(TEMPORAL, temporal.stack.surroundings);
    const version = ['--deployment-name', 'tidemark', '--build-id', buildId];
    const args = ['worker', 'deployment', 'set-current-version', ...version, '--yes'];
    const env = { ...process.env, ...temporal.stack.env };
    const isCurrent = async (): Promise<boolean> => {
      const error = await run(command, args, { env }).then(
        () => undefined,
        (failed: unknown) => String(failed),
      );
      if (error === undefined) return true;
      assert.match(error, /not found|no pollers|missing active task queues/i);
      return false;
    };
    await until(`${buildId} is current`, isCurrent, 60_000);
  }

  async function versionOf(workflowId: string): Promise<unknown> {
    const { raw } = await temporal.parts.temporal.workflow.getHandle(workflowId).describe();
    const info = raw.workflowExecutionInfo?.versioningInfo;
    return [info?.behavior, info?.deploymentVersion?.deploymentName, info?.deploymentVersion?.buildId];
  }

  it('run what starts on the current version, which the CLI sets', async () => {
    for (const [n, buildId] of ['0.1.0', '0.2.0'].entries()) {
      work(buildId);
      await makeCurrent(buildId);
      await world.put(fileName(n), incFile([{ ticket_id: `T${n}` }]));
      const handle = await world.start(`versioned-${n}`);
      assert.equal((await handle.result()).applied, 1);
      assert.deepEqual(await versionOf(handle.workflowId), [PINNED, 'tidemark', buildId]);
    }
  });
});
