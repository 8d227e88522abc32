/** The result as people read it, as Markdown and as JSON. */

import { SECTIONS, type Goal, type Judged, type SectionName, type Unit } from './figure.ts';
import type { Machine } from './machine.ts';
import { median, spread, summarise } from './statistics.ts';

/** All that a run of the bench found. */
export interface Report {
  readonly figures: readonly Judged[];
  readonly machine: Machine;
  /** Milliseconds that a fixed piece of computing took, each time. */
  readonly yardstick: readonly number[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
  readonly runs: number;
  readonly smoke: boolean;
}

const TITLES = ['', 'measured', 'against', 'us', 'they', 'figure', 'least to most', 'goal', 'met'];
/** Numbers, by the right. */
const RIGHT = new Set([3, 4, 5, 7]);

/** An aligned table for a terminal, with all that belongs to it. */
export function printed(report: Report): string {
  const rows = [TITLES, ...report.figures.map(cells)];
  const widths = TITLES.map((_title, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => (RIGHT.has(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const [titles = '', ...body] = lines;
  return [
    titles,
    '─'.repeat(Math.max(...lines.map(({ length }) => length))),
    ...body,
    '',
    ...remarks(report),
  ].join('\n');
}

/** A table as `docs/performance.md` has it; as the README has it, of figures with a goal only. */
export function toMarkdown(report: Report, which: 'all' | 'goals' = 'all'): string {
  const line = (row: readonly string[]): string => `| ${row.slice(1).join(' | ')} |`;
  const rule = `|${TITLES.slice(1)
    .map((_title, at) => (RIGHT.has(at + 1) ? '--:' : '---'))
    .join('|')}|`;
  const shown = report.figures.filter(({ goal }) => which === 'all' || goal !== undefined);
  const body = shown.map((figure) => line(cells(figure)));
  const about = remarks(report).map((remark) => `- ${remark}`);
  return [line(TITLES), rule, ...body, '', ...about].join('\n');
}

/** Everything, the single samples too; times in seconds. */
export function toJson(report: Report): string {
  return `${JSON.stringify({ ...report, noise: noise(report.figures) }, undefined, 2)}\n`;
}

function cells(figure: Judged): string[] {
  const { id, what, pair, unit, summary, goal, met } = figure;
  const section = id.slice(0, 1) as SectionName;
  return [
    section,
    what,
    pair?.who ?? '',
    pair ? seconds(median(pair.ours)) : '',
    pair ? seconds(median(pair.theirs)) : '',
    number(summary.median, unit),
    summary.least === summary.most ? '' : `${number(summary.least, unit)} to ${number(summary.most, unit)}`,
    goal ? goalText(goal, unit) : '',
    met === undefined ? '' : met ? 'yes' : 'NO',
  ];
}

function remarks({ figures, machine, yardstick, notes, runs, smoke }: Report): string[] {
  const sections = new Set(figures.map(({ id }) => id.slice(0, 1) as SectionName));
  const about = [...sections].map((name) => `${name}: ${SECTIONS[name]}`).join('; ');
  return [
    ...(about === '' ? [] : [about]),
    `Medians of ${runs} ${runs === 1 ? 'run' : 'interleaved runs'}; ratios are taken pair by pair.`,
    ...noiseOf(figures, yardstick),
    ...(smoke ? ['A smoke run: its sizes are too small to say anything of speed.'] : []),
    ...notes,
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('; '),
  ];
}

function noiseOf(figures: readonly Judged[], yardstick: readonly number[]): string[] {
  const found = noise(figures);
  const said = [];
  if (found !== undefined)
    said.push(
      `the times of psql itself spread by ${percent(found.median)} in the middle case, ${percent(found.most)} at most`,
    );
  if (yardstick.length > 1) {
    const { median, least, most } = summarise(yardstick);
    const [low, middle, high] = [least, median, most].map((ms) => ms.toFixed(0));
    said.push(`a fixed piece of computing took ${low} to ${high} ms, ${middle} ms in the middle case`);
  }
  return said.length > 0 ? [`Noise: ${said.join('; ')}.`] : [];
}

/** From the fastest to the slowest time of psql itself, as a share of the median: what the machine does by itself. */
function noise(figures: readonly Judged[]): { median: number; most: number } | undefined {
  const spreads = figures.flatMap(({ pair }) =>
    pair?.who === 'psql' && pair.theirs.length > 1 ? [spread(pair.theirs)] : [],
  );
  return spreads.length > 0 ? { median: median(spreads), most: Math.max(...spreads) } : undefined;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function goalText({ atMost, atLeast }: Goal, unit: Unit): string {
  return atMost !== undefined ? `≤ ${number(atMost, unit)}` : `≥ ${number(atLeast ?? 0, unit)}`;
}

function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(2)} s` : `${value.toFixed(1)} s`;
}

function number(value: number, unit: Unit): string {
  switch (unit) {
    case 'ratio':
      return value.toFixed(2);
    case 'times':
      return `${value.toFixed(1)} ×`;
    case 's':
      return seconds(value);
    case 'count':
      return value.toLocaleString('en');
    case 'ms':
      return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value).toLocaleString('en')} ms`;
    case 'MB':
    case 'files/s':
    case 'commits/s':
    case 'bytes':
      return `${Math.round(value).toLocaleString('en')} ${unit}`;
  }
}
