import { atBoundary } from './boundary.ts';
import type { Deps } from './deps.ts';
import type { Activities } from './interface.ts';
import { listFiles } from './listFiles.ts';
import { loadFile } from './loadFile.ts';
import { archiveFile, setAsideFile } from './moveFile.ts';

/** The activities, each bound to what it works with. */
export function createActivities(deps: Deps): Activities {
  return {
    listFiles: (input) => atBoundary((attempt) => listFiles(deps, input, attempt)),
    loadFile: (input) => atBoundary((attempt) => loadFile(deps, input, attempt)),
    archiveFile: (input) => atBoundary((attempt) => archiveFile(deps, input, attempt)),
    setAsideFile: (input) => atBoundary((attempt) => setAsideFile(deps, input, attempt)),
  };
}
