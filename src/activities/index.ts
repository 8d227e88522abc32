import { atBoundary } from './boundary.ts';
import type { Attempt, Deps } from './deps.ts';
import type { Activities } from './interface.ts';
import { listFiles } from './listFiles.ts';
import { loadFile } from './loadFile.ts';
import { loadSmallFiles } from './loadSmallFiles.ts';
import { moveFiles } from './moveFiles.ts';
import { hasSearchAttributes, kept } from './serverFeatures.ts';
import { observed, tellBatch, tellLoaded, tellMoved } from './observed.ts';
import type { Observer } from './observer.ts';

/** The activities, each bound to what it works with. What they do is logged, and told to the observer if there is one. */
export function createActivities(deps: Deps, observer?: Observer): Activities {
  const run = <Input extends { readonly dataset: string }, Result>(
    activity: keyof Activities,
    work: (deps: Deps, input: Input, attempt: Attempt) => Promise<Result>,
    tell: (input: Input, result: Result) => void = () => undefined,
  ) => {
    return (input: Input): Promise<Result> =>
      atBoundary((attempt) =>
        observed(observer, { activity, dataset: input.dataset }, async () => {
          const result = await work(deps, input, attempt);
          tell(input, result);
          return result;
        }),
      );
  };
  const searchAttributes = kept(hasSearchAttributes);
  return {
    listFiles: run('listFiles', async (deps, input, attempt) => {
      const asking = searchAttributes();
      return { ...(await listFiles(deps, input, attempt)), searchAttributes: await asking };
    }),
    loadFile: run('loadFile', loadFile, ({ dataset, key }, result) =>
      tellLoaded(observer, dataset, key, result),
    ),
    loadSmallFiles: run('loadSmallFiles', loadSmallFiles, (input, result) =>
      tellBatch(observer, input, result),
    ),
    moveFiles: run('moveFiles', moveFiles, (input, result) => tellMoved(observer, input, result)),
  };
}
