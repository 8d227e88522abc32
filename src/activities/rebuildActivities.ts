import { Context } from '@temporalio/activity';
import { applyRebuild } from './applyRebuild.ts';
import { beginRebuild } from './beginRebuild.ts';
import { atBoundary } from './boundary.ts';
import { buildFiles } from './buildFiles.ts';
import { compareRebuild, dropRebuild, keepRebuild } from './compareRebuild.ts';
import type { Attempt, Deps } from './deps.ts';
import type { RebuildActivities, RebuildInput } from './rebuildInterface.ts';

/** The activities of the rebuilder, each bound to what it works with. What they do is logged. */
export function createRebuildActivities(deps: Deps): RebuildActivities {
  const run =
    <Input extends RebuildInput, Result>(
      name: string,
      work: (deps: Deps, input: Input, attempt: Attempt) => Promise<Result>,
    ) =>
    (input: Input): Promise<Result> =>
      atBoundary(async (attempt) => {
        const result = await work(deps, input, attempt);
        Context.current().log.info(name, { ...input, ...result });
        return result;
      });
  return {
    beginRebuild: run('rebuild begun', beginRebuild),
    buildFiles: run('rebuild goes on', buildFiles),
    compareRebuild: run('rebuild compared', compareRebuild),
    applyRebuild: run('rebuild applied', applyRebuild),
    keepRebuild: run('rebuild kept', keepRebuild),
    dropRebuild: run('rebuild dropped', dropRebuild),
  };
}
