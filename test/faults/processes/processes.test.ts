import { describeSideBySide } from '../../support/faults/sideBySide.ts';
import { fills } from './fills.ts';
import { kills } from './kills.ts';
import { locks } from './locks.ts';
import { looks } from './looks.ts';
import { randomKills } from './randomKills.ts';
import { temporalFaults } from './temporal.ts';
import { wrongClocks } from './clock.ts';
import { zombies } from './zombies.ts';

// The longest first.
const SCENARIOS = [
  ...randomKills,
  ...locks,
  ...temporalFaults,
  ...zombies,
  ...fills,
  ...kills,
  ...wrongClocks,
  ...looks,
];

describeSideBySide('faults of processes', SCENARIOS, 14);
