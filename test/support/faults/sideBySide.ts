/** Scenarios side by side: they mostly wait for timeouts of Temporal's, and one after the other they would take an hour. */

import { undisturbedOutcome } from './compare.ts';
import { longForm, only } from './form.ts';
import { built } from '../built.ts';
import type { World } from '../world.ts';
import { Scene, type Scenario } from './scene.ts';

/** All scenarios of a suite together, with their waiting: half of it on a busy machine. */
const SUITE_MS = (longForm ? 30 : 10) * 60_000;

/** Describes scenarios, each a test of its own; `limit` of them are played at once. */
export function describeSideBySide(title: string, scenarios: readonly Scenario[], limit: number): void {
  const chosen = scenarios.filter(
    (scenario) => only.test(scenario.title) && (longForm !== undefined || scenario.longOnly !== true),
  );
  describe(title, function () {
    this.timeout(SUITE_MS);
    const plays = new Map<Scenario, Promise<void>>();
    const worlds: World[] = [];

    async function played(scenario: Scenario): Promise<void> {
      const scene = await Scene.open(scenario);
      worlds.push(scene.world);
      try {
        await scenario.play(scene);
      } finally {
        await scene.close();
      }
    }

    before(async () => {
      await built();
      // The undisturbed runs come first: what is expected must not depend on what else goes on.
      for (const { files, grows } of chosen) if (!grows) await undisturbedOutcome(files);
      const beside = sideBySide(limit);
      for (const scenario of chosen) {
        const play = beside(() => played(scenario));
        // Looked at by its own test, which may come later.
        play.catch(() => undefined);
        plays.set(scenario, play);
      }
    });

    // Not one by one: `drop database` waits for any backend whose client is frozen.
    after(async () => {
      await Promise.allSettled(plays.values());
      for (const world of worlds) await world.close();
    });

    for (const scenario of chosen) it(scenario.title, () => plays.get(scenario));
  });
}

/** So many works at once, in their order: one that ends lets the next begin, whichever it is. */
function sideBySide(limit: number): (work: () => Promise<void>) => Promise<void> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
