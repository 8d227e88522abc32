import { describeSideBySide } from '../../support/faults/sideBySide.ts';
import { kills } from './kills.ts';
import { randomKills } from './randomKills.ts';
import { temporalFaults } from './temporal.ts';
import { wrongClocks } from './clock.ts';
import { zombies } from './zombies.ts';

// The longest first.
const SCENARIOS = [...randomKills, ...zombies, ...kills, ...temporalFaults, ...wrongClocks];

describeSideBySide('faults of processes', SCENARIOS, 14);
