/**
 * The form of the fault tests. Bounded by default; long where FAULTS_SECONDS says for how long. FAULTS_SEED replays the
 * dice of a run; what the machine adds to them it does not. FAULTS_ONLY, a regular expression, plays only scenarios whose
 * title it fits.
 */

const seconds = process.env['FAULTS_SECONDS'];

/** How long random faults go on, at least; `undefined` in the bounded form. */
export const longForm = seconds === undefined ? undefined : { seconds: Number(seconds) };

/** Fixed in the bounded form, so that it does the same each time. */
export const seed = Number(process.env['FAULTS_SEED'] ?? (longForm ? Date.now() % 1_000_000 : 1));

if (!Number.isFinite(seed) || !Number.isFinite(longForm?.seconds ?? 0))
  throw new Error('FAULTS_SEED and FAULTS_SECONDS are numbers');

export const only = new RegExp(process.env['FAULTS_ONLY'] ?? '');
