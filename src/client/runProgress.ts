/** How far a run is, in one line. */

import type { Loading } from './loading.ts';
import { nameOf } from '../domain/changeFile.ts';
import { ago, count, printable } from './terminal.ts';

/** Cells of the bar. */
const WIDTH = 20;
/** Before this the rate says nothing, milliseconds. */
const MIN_MS = 2_000;
const MIB = 1024 * 1024;

/** The books of a run that is followed: what was pending, what is applied, since when. */
export class RunProgress {
  /** Bytes by key of what is still to be loaded; empty as long as nobody knows. */
  readonly #pending = new Map<string, number>();
  readonly #done = new Set<string>();
  readonly #began: number;
  #bytesDone = 0;

  /** @param began milliseconds since the epoch */
  constructor(began = Date.now()) {
    this.#began = began;
  }

  /** A file of the listing, which may be older than what is known of it. */
  pends(key: string, size: number): void {
    if (this.#done.has(key)) this.#bytesDone += size;
    else this.#pending.set(key, size);
  }

  applied(key: string): void {
    this.#done.add(key);
    this.#bytesDone += this.#pending.get(key) ?? 0;
    this.#pending.delete(key);
  }

  /** @param now milliseconds since the epoch */
  line(loading: Loading | undefined, now = Date.now()): string {
    // A heartbeat may be older than the ledger row of its file.
    const current = loading && this.#done.has(loading.key) ? undefined : loading;
    const bytes = this.#bytesDone + (current?.bytes ?? 0);
    const left = [...this.#pending.values()].reduce((sum, size) => sum + size, 0) - (current?.bytes ?? 0);
    const total = this.#done.size + this.#pending.size;
    const n = Math.min(this.#done.size + 1, Math.max(total, 1));
    const files =
      this.#pending.size > 0 ? `file ${count(n)} of ${count(total)}` : `${count(this.#done.size)} applied`;
    // While rows are merged no bytes are read.
    const merging = current !== undefined && current.bytes >= current.size;
    const speed = merging ? [] : this.#speed(bytes, left, now);
    const parts = [files, ...currentParts(current), ...speed];
    return `${bar(bytes, left)} ${parts.join(' · ')}`;
  }

  #speed(bytes: number, left: number, now: number): string[] {
    const ms = now - this.#began;
    if (ms < MIN_MS || bytes <= 0) return [];
    const perSecond = (bytes / ms) * 1000;
    const rate = `${mib(perSecond)} MiB/s`;
    return left > 0 ? [rate, `about ${ago(left / perSecond)} left`] : [rate];
  }
}

function currentParts(loading: Loading | undefined): string[] {
  if (!loading) return [];
  const { key, size, bytes, rows, attempt } = loading;
  const how = bytes < size ? `${mib(bytes)} of ${mib(size)} MiB` : `${mib(size)} MiB read, merging`;
  const again = attempt > 1 ? [`attempt ${attempt}`] : [];
  return [printable(nameOf(key)), how, `${count(rows)} rows`, ...again];
}

function bar(bytes: number, left: number): string {
  const all = bytes + Math.max(left, 0);
  const filled = all > 0 ? Math.floor((bytes / all) * WIDTH) : 0;
  return `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}]`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
