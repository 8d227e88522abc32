/** Charts as SVG made here: bars per file, oldest to newest. The table below a chart has the same figures. */

import type { RecentDeed } from '../../postgres/recent.ts';
import { nameOf } from '../../domain/changeFile.ts';
import { html, NONE, type Html } from './html.ts';

/** Fewer files than these leave room on the left, so that a bar is never a wall. */
const MIN_SLOTS = 24;
const SLOT = 10;
const BAR = 7;
const HEIGHT = 100;

/** Where the largest is this many times the middle one, a linear scale would show one bar alone. */
const LOG_RATIO = 20;

interface Series {
  readonly title: string;
  readonly unit: string;
  /** Smallest figure that a logarithmic scale tells from nothing. */
  readonly least: number;
  valueOf(deed: RecentDeed): number;
  shown(value: number): string;
}

const SERIES: readonly Series[] = [
  {
    title: 'Rows per file',
    unit: 'rows',
    least: 1,
    valueOf: (deed) => deed.read,
    shown: (value) => value.toLocaleString('en-US'),
  },
  {
    title: 'Seconds per file',
    unit: 's',
    least: 0.001,
    valueOf: (deed) => deed.seconds ?? 0,
    shown: (value) => value.toLocaleString('en-US', { maximumSignificantDigits: 3 }),
  },
];

/** The charts of these deeds, newest first as they come; none where nothing was loaded. */
export function charts(deeds: readonly RecentDeed[]): Html {
  const loads = deeds.filter(({ seconds }) => seconds !== null).reverse();
  if (loads.length === 0) return NONE;
  return html`<div class="charts">${SERIES.map((series) => chart(series, loads))}</div>`;
}

function chart(series: Series, loads: readonly RecentDeed[]): Html {
  const { title, unit, least, shown } = series;
  const values = loads.map(series.valueOf);
  const max = Math.max(...values, least);
  const middle = [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const logarithmic = max > LOG_RATIO * Math.max(middle, least);
  const heightOf = (value: number): number => {
    if (value <= 0) return 0;
    // A file of few rows is seen, however many the largest has.
    const share = logarithmic ? Math.log1p(value / least) / Math.log1p(max / least) : value / max;
    return Math.max(2, share * HEIGHT);
  };
  const slots = Math.max(MIN_SLOTS, loads.length);
  const first = nameOf(loads[0]?.key ?? '');
  const last = nameOf(loads.at(-1)?.key ?? '');
  const newest = values.at(-1) ?? 0;
  const label = `${title}: ${loads.length} files from ${first} to ${last}; most ${shown(max)}, newest ${shown(newest)} ${unit}`;
  const bars = loads.map((deed, i) => {
    const value = series.valueOf(deed);
    const height = heightOf(value);
    const x = (slots - loads.length + i) * SLOT;
    return html`<rect
      x="${x}"
      y="${(HEIGHT - height).toFixed(1)}"
      width="${BAR}"
      height="${height.toFixed(1)}"
      class="${deed.exportType === 'baseline' ? 'baseline' : 'bar'}"
      ><title>${nameOf(deed.key)}: ${shown(value)} ${unit}</title></rect
    >`;
  });
  return html`<figure>
    <figcaption>
      <strong>${title}</strong>
      <span
        >newest ${shown(newest)} ${unit}, most ${shown(max)} ${unit}${logarithmic ? ', log scale' : ''}</span
      >
    </figcaption>
    <svg viewBox="0 0 ${slots * SLOT} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
      ${bars}
    </svg>
    <p class="axis"><span>${loads.length} files, oldest first</span><span>newest</span></p>
  </figure>`;
}
