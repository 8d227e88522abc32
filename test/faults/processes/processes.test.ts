import { describeSideBySide } from '../../support/faults/sideBySide.ts';
import { kills } from './kills.ts';

describeSideBySide('faults of processes', [...kills], 8);
