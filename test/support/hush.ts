/**
 * The word that no log, history or terminal may show: test rows hold it in every cell that may be read aloud by
 * mistake, and the end of the suite searches everything that was said.
 */
export const HUSH = 'hushhush';

const heard: string[] = [];

/** Keeps what was said anywhere: logs, terminals. */
export function hear(text: string): void {
  heard.push(text);
}

/** All that was said so far. */
export function allHeard(): readonly string[] {
  return heard;
}
