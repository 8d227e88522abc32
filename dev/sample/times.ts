/** Times as the exporter writes them: naive ones of Nairobi, offsets and UTC, side by side. */

/** Nairobi's offset; it has no daylight saving. */
const NAIROBI_MS = 3 * 60 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** `2025-11-03 06:00:00` */
export function naive(time: number): string {
  return local(time).slice(0, 19).replace('T', ' ');
}

/** `2025-11-03T06:00:00.000+03:00` */
export function withOffset(time: number): string {
  return `${local(time).slice(0, 23)}+03:00`;
}

/** `2025-11-03T03:00:00Z` */
export function utc(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** The Monday of the time's ISO week in Nairobi, `2025-11-03`. */
export function week(time: number): string {
  return local(monday(time)).slice(0, 10);
}

/** The same as an instant in UTC, as some exports have it: the evening of the Sunday before. */
export function weekAsInstant(time: number): string {
  return utc(monday(time));
}

/** The stamp of a change file, `2025-11-03T06-00-00`. */
export function stampOf(time: number): string {
  return local(time).slice(0, 19).replaceAll(':', '-');
}

/** The last change-file stamps that a five-minute exporter would have made by now, oldest first. */
export function recentStart(now: number, files: number): number {
  const step = 5 * 60 * 1000;
  return Math.floor(now / step) * step - files * step;
}

/** Midnight in Nairobi of that Monday. The epoch's first day was a Thursday. */
function monday(time: number): number {
  const day = Math.floor((time + NAIROBI_MS) / DAY_MS);
  return (day - ((day + 3) % 7)) * DAY_MS - NAIROBI_MS;
}

function local(time: number): string {
  return new Date(time + NAIROBI_MS).toISOString();
}
