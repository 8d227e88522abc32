/** The task queue of rebuilds: no ordinary worker, whose login lacks the rights, takes one. */
export function rebuildQueue(taskQueue: string): string {
  return `${taskQueue}-rebuild`;
}
