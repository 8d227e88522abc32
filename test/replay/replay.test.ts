import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { DeterminismViolationError } from '@temporalio/workflow';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { quietRuntime } from '../support/runtime.ts';
import { SCENARIOS } from './scenarios.ts';

const HISTORIES = new URL('./histories/', import.meta.url);

describe('histories frozen at each release', function () {
  this.timeout(120_000);
  let real: { code: string };
  let planted: { code: string };

  before(async () => {
    real = await bundle('../../src/workflows/index.ts');
    planted = await bundle('./planted/index.ts');
  });

  it('are there for each scenario of each release', async () => {
    const names = SCENARIOS.map(({ name }) => `${name}.json`).sort();
    for (const release of await releases()) assert.deepEqual(await recorded(release), names);
  });

  it('replay on the workflow as it stands', async () => {
    for (const release of await releases()) {
      for (const name of await recorded(release)) await replay(real, `${release}/${name}`);
    }
  });

  it('do not replay on a workflow that lists twice', async () => {
    const [release] = await releases();
    await assert.rejects(replay(planted, `${release}/small-files.json`), DeterminismViolationError);
  });
});

function bundle(entry: string): Promise<{ code: string }> {
  const workflowsPath = fileURLToPath(new URL(entry, import.meta.url));
  return bundleWorkflowCode({ workflowsPath, logger: quietRuntime() });
}

async function releases(): Promise<string[]> {
  const found = (await readdir(HISTORIES)).sort();
  assert.ok(found.length > 0);
  return found;
}

async function recorded(release: string): Promise<string[]> {
  return (await readdir(new URL(`${release}/`, HISTORIES))).sort();
}

async function replay(workflowBundle: { code: string }, file: string): Promise<void> {
  const history: unknown = JSON.parse(await readFile(new URL(file, HISTORIES), 'utf8'));
  await Worker.runReplayHistory({ workflowBundle }, history);
}
