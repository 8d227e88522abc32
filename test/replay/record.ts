/**
 * Records the scenarios' histories for this version: `npm run record-histories`. It adds and never overwrites: a
 * recorded history is what released workers have left behind, and replays for ever or the change is wrong.
 */

import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { inc } from '../../src/datasets/inc.ts';
import { endShared, shared } from '../support/shared.ts';
import { openWorld } from '../support/world.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const folder = new URL(`./histories/${version}/`, import.meta.url);
await mkdir(folder, { recursive: true });
try {
  for (const scenario of SCENARIOS) {
    const file = new URL(`${scenario.name}.json`, folder);
    if (await exists(file)) console.log(`${version}/${scenario.name}: kept`);
    else console.log(`${version}/${scenario.name}: recorded ${await record(scenario, file)} events`);
  }
} finally {
  await endShared();
}

async function record(scenario: Scenario, file: URL): Promise<number> {
  const world = await openWorld([{ ...inc, ...scenario.dataset }]);
  try {
    await scenario.arrange(world);
    const meddling = scenario.meddle?.(world);
    if (!scenario.start) await world.work();
    const run = await (scenario.start?.(world) ?? world.start());
    await run.result().catch(() => undefined);
    await meddling;
    const { temporal } = await shared();
    // The first run: one that continued as new ends there.
    const history = await temporal.workflow.getHandle(run.workflowId, run.firstExecutionRunId).fetchHistory();
    await writeFile(file, `${historyToJSON(history)}\n`);
    return history.events?.length ?? 0;
  } finally {
    await world.close();
  }
}

async function exists(file: URL): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
