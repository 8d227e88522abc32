import { atBoundary } from './boundary.ts';
import type { Deps } from './deps.ts';
import type { Activities } from './interface.ts';
import { listFiles } from './listFiles.ts';
import { loadFile } from './loadFile.ts';
import { loadSmallFiles } from './loadSmallFiles.ts';
import { moveFiles } from './moveFiles.ts';
import { hasSearchAttributes } from './serverFeatures.ts';

/** The activities, each bound to what it works with. */
export function createActivities(deps: Deps): Activities {
  return {
    listFiles: (input) =>
      atBoundary(async (attempt) => {
        const asking = hasSearchAttributes();
        return { ...(await listFiles(deps, input, attempt)), searchAttributes: await asking };
      }),
    loadFile: (input) => atBoundary((attempt) => loadFile(deps, input, attempt)),
    loadSmallFiles: (input) => atBoundary((attempt) => loadSmallFiles(deps, input, attempt)),
    moveFiles: (input) => atBoundary((attempt) => moveFiles(deps, input, attempt)),
  };
}
