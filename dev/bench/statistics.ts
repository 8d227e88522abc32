/** What the samples of a measurement come to. */

/** A figure of several samples. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** @param samples at least one */
export function summarise(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  const [least] = sorted;
  const most = sorted.at(-1);
  if (low === undefined || high === undefined || least === undefined || most === undefined) {
    throw new Error('there is nothing to summarise');
  }
  return { median: (low + high) / 2, least, most };
}

export function median(samples: readonly number[]): number {
  return summarise(samples).median;
}

/** The least sample that a share of all do not exceed: 0.99 for the 99th percentile. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new Error('there is nothing to summarise');
  return found;
}

/** From the least to the most, as a share of the median. */
export function spread(samples: readonly number[]): number {
  const { median, least, most } = summarise(samples);
  return (most - least) / median;
}
