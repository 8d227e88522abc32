/** What a section measures, and what it is to be. */

import { summarise, type Summary } from './statistics.ts';

/** The sections of the bench, by their letters. */
export const SECTIONS = {
  a: 'a load against psql on the same server',
  b: 'the same load against Python importers',
  c: 'small deltas',
  d: 'memory and size',
  e: 'nothing pending',
  f: 'a long history',
  g: 'many datasets',
  h: 'a very large baseline',
  i: 'NOTIFY',
  j: 'packed files side by side',
} as const;

/** Minutes and gigabytes each: run only where they are named. */
export const ON_DEMAND: ReadonlySet<string> = new Set(['f', 'g', 'h', 'i', 'j']);

export type SectionName = keyof typeof SECTIONS;

export type Unit = 'ratio' | 'times' | 's' | 'ms' | 'MB' | 'files/s' | 'commits/s' | 'count' | 'bytes';

/** A row of the result. */
export interface Figure {
  /** `<section>.<what>.<scale>`: stays the same from run to run. */
  readonly id: string;
  readonly what: string;
  /** What is compared, where it is a comparison: times in seconds, and who the other one is. */
  readonly pair?: {
    readonly ours: readonly number[];
    readonly theirs: readonly number[];
    readonly who: string;
  };
  readonly unit: Unit;
  readonly samples: readonly number[];
}

/** Between which bounds the median of a figure is to lie. */
export interface Goal {
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** The goals, by the ids of figures. */
const GOALS: Readonly<Record<string, Goal>> = {
  'a.empty.1': { atMost: 0.7 },
  'a.empty.10': { atMost: 0.45 },
  'a.equal.1': { atMost: 0.5 },
  'a.equal.10': { atMost: 0.4 },
  'a.tenth.10': { atMost: 0.5 },
  'a.every.10': { atMost: 0.8 },
  'a.tuned.empty.10': { atMost: 0.75 },
  'a.tuned.equal.10': { atMost: 0.7 },
  'b.psycopg2.empty.10': { atLeast: 6 },
  'b.dlt.empty.10': { atLeast: 20 },
  'b.sling.empty.10': { atLeast: 3 },
  'c.delta': { atMost: 30 },
  'c.backlog.rate': { atLeast: 200 },
  'c.backlog.ratio': { atLeast: 1.5 },
  'd.memory.50': { atMost: 220 },
  'd.growth': { atMost: 1.15 },
  'd.linear': { atMost: 5.5 },
  'd.linear.full': { atMost: 5.5 },
  'e.activities': { atMost: 2 },
  'e.writers': { atMost: 0 },
};

/** A figure with its summary and whether its goal is met. */
export interface Judged extends Figure {
  readonly summary: Summary;
  readonly goal?: Goal;
  readonly met?: boolean;
}

/** @param judge whether there are goals at all: a smoke run's sizes say nothing of them */
export function judged(figure: Figure, judge: boolean): Judged {
  const summary = summarise(figure.samples);
  const goal = judge ? GOALS[figure.id] : undefined;
  if (!goal) return { ...figure, summary };
  const { atMost = Infinity, atLeast = -Infinity } = goal;
  return { ...figure, summary, goal, met: summary.median <= atMost && summary.median >= atLeast };
}

/** Round by round, the one over the other, as long as both took part. */
export function ratios(over: readonly number[], under: readonly number[]): number[] {
  return over.flatMap((value, round) => {
    const other = under[round];
    return other === undefined ? [] : [value / other];
  });
}
