/** Whether the clocks agree: of this machine, of PostgreSQL and of S3. */

import type { Dataset } from '../../datasets/dataset.ts';
import { FUTURE_TOLERANCE_MS } from '../../domain/states.ts';
import { localTime } from '../terminal.ts';
import type { Findings } from './finding.ts';
import type { PostgresClock } from './postgres.ts';
import type { S3Clock } from './s3.ts';

/** More than slow answers and S3's whole seconds can make. */
const ODD_MS = 10_000;
/** AWS refuses requests of a machine that is 15 minutes off. */
const WRONG_MS = 5 * 60_000;

/** What is compared; a clock that could not be asked is left out. */
export interface Clocks {
  readonly postgres: PostgresClock;
  readonly s3: S3Clock;
  readonly timeZone: Dataset['timeZone'];
}

/** Compares each pair. */
export function checkClocks({ postgres, s3, timeZone }: Clocks, findings: Findings): void {
  const clocks = [
    { name: 'this machine', aheadMs: 0 },
    { name: 'PostgreSQL', aheadMs: postgres.aheadMs },
    { name: 'S3', aheadMs: s3.aheadMs },
  ].flatMap(({ name, aheadMs }) => (aheadMs === undefined ? [] : [{ name, aheadMs }]));
  let odd = false;
  for (const [i, one] of clocks.entries()) {
    for (const other of clocks.slice(i + 1)) {
      const differenceMs = other.aheadMs - one.aheadMs;
      if (Math.abs(differenceMs) < ODD_MS) continue;
      odd = true;
      const [early, late] = differenceMs > 0 ? [one, other] : [other, one];
      const seconds = Math.round(Math.abs(differenceMs) / 1000);
      const level = Math.abs(differenceMs) < WRONG_MS ? 'warning' : 'problem';
      const what = `the clock of ${late.name} is ${seconds} s ahead of that of ${early.name}`;
      findings.add('clocks', level, what, 'Set it by NTP');
    }
  }
  if (!odd && clocks.length > 1) {
    findings.add(
      'clocks',
      'ok',
      `${clocks.map(({ name }) => name).join(', ')} agree within ${ODD_MS / 1000} s`,
    );
  }
  if (s3.now === undefined) return;
  const limit = localTime(new Date(s3.now + FUTURE_TOLERANCE_MS), timeZone);
  findings.add(
    'clocks.future',
    'ok',
    `S3's clock decides: a file stamped after ${limit} (${timeZone}) is future`,
  );
}
