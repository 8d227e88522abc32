/**
 * The local times that a zone's clocks showed, by how far east of UTC they were: what a time without an offset means.
 * It is PostgreSQL's own table of the zone, asked from the server (`postgres/zoneHistory.ts`), so that a value read here
 * is the one that a cast there gives.
 */
export interface ZoneHistory {
  /** Ascending; the first is the offset of all times before, too. Local seconds since 2000-01-01 00:00. */
  readonly changes: readonly { readonly from: number; readonly east: number }[];
}

/** From 1970-01-01 on, local seconds since 2000, a zone without daylight saving has one offset: its last. */
const RECENT = -946_684_800;

/** The seconds east of UTC that a local time has. */
export function eastOfUtc({ changes }: ZoneHistory, local: number): number {
  let at = changes.length - 1;
  if (local < RECENT) while (at > 0 && (changes[at]?.from ?? 0) > local) at -= 1;
  return changes[at]?.east ?? 0;
}
