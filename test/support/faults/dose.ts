/**
 * How much of the faults is tried: by default a spread sample, the same each time; in the long form other samples, until
 * its time is over. `FAULTS_SECONDS` asks for the long form, for each test that has one; `FAULTS_SEED` replays it.
 */

/** How long each test of the long form may go on, seconds; 0 in the bounded form. */
export const SECONDS = Number(process.env['FAULTS_SECONDS'] ?? 0);
const seed = Number(process.env['FAULTS_SEED'] ?? (SECONDS > 0 ? Date.now() % 1_000_000 : 1));
if (SECONDS > 0) process.stdout.write(`faults: FAULTS_SEED=${seed} FAULTS_SECONDS=${SECONDS}\n`);

/** Whether this is the long form. */
export const LONG = SECONDS > 0;

/** For mocha: the longest that one test of this dose may take, milliseconds. */
export const DOSE_TIMEOUT_MS = 120_000 + 2 * SECONDS * 1000;

/** A generator of numbers from 0 up to 1, the same for the same seed and name (mulberry32). */
export function randomOf(name: string): () => number {
  let state = seed;
  for (const letter of name) state = Math.imul(state ^ letter.charCodeAt(0), 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The steps to fail at, of 1 to `count`: by default `few`, one from each of as many equal stretches; in the long form all
 * of them, in an order by the seed, as far as the time goes.
 */
export function* steps(name: string, count: number, few: number): Generator<number> {
  const random = randomOf(name);
  if (!LONG) {
    for (let i = 0; i < Math.min(few, count); i++) {
      const width = count / Math.min(few, count);
      yield 1 + Math.floor(i * width + random() * width);
    }
    return;
  }
  const all = Array.from({ length: count }, (_unused, i) => ({ step: i + 1, at: random() }));
  const end = Date.now() + SECONDS * 1000;
  let tried = 0;
  for (const { step } of all.sort((a, b) => a.at - b.at)) {
    if (Date.now() > end) break;
    tried += 1;
    yield step;
  }
  process.stdout.write(`faults: ${name}: ${tried} of ${count}\n`);
}
