import assert from 'node:assert/strict';
import { judged, ratios, type Figure } from '../../dev/bench/figure.ts';
import type { Machine } from '../../dev/bench/machine.ts';
import { replaceTable } from '../../dev/bench/publish.ts';
import { printed, toJson, toMarkdown, type Report } from '../../dev/bench/report.ts';
import { median, quantile, spread, summarise } from '../../dev/bench/statistics.ts';
import { Yardstick } from '../../dev/bench/yardstick.ts';

describe('statistics of the bench', () => {
  it('take the middle of an odd number of samples, and between the two of an even one', () => {
    assert.equal(median([30, 10, 20]), 20);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(median([7]), 7);
  });

  it('know the least and the most, and leave the samples as they are', () => {
    const samples = [3, 1, 2];
    assert.deepEqual(summarise(samples), { median: 2, least: 1, most: 3 });
    assert.deepEqual(samples, [3, 1, 2]);
  });

  it('sort numbers as numbers', () => {
    assert.equal(median([9, 10, 100]), 10);
  });

  it('say how far samples spread, as a share of the median', () => {
    assert.equal(spread([9, 10, 12]), 0.3);
  });

  it('refuse to make something of nothing', () => {
    assert.throws(() => median([]), /nothing to summarise/);
  });

  it('a quantile is the least sample that such a share does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_unused, n) => 100 - n);
    assert.deepEqual(
      [0, 0.5, 0.99, 1].map((share) => quantile(hundred, share)),
      [1, 50, 99, 100],
    );
    assert.equal(quantile([7], 0.99), 7);
    assert.throws(() => quantile([], 0.5), /nothing to summarise/);
  });
});

describe('ratios of the bench', () => {
  it('are taken round by round, not of the medians', () => {
    assert.deepEqual(ratios([1, 4, 9], [2, 4, 6]), [0.5, 1, 1.5]);
  });

  it('end where one of the two took part no longer', () => {
    assert.deepEqual(ratios([1, 2, 3, 4, 5], [2, 2]), [0.5, 1]);
    assert.deepEqual(ratios([1], [2, 2]), [0.5]);
  });
});

describe('goals of the bench', () => {
  const load = (samples: number[]): Figure => ({ id: 'a.empty.10', what: 'a load', unit: 'ratio', samples });

  it('are met up to their bound, by the median', () => {
    assert.equal(judged(load([0.45, 0.1, 0.9]), true).met, true);
    assert.equal(judged(load([0.46, 0.1, 0.9]), true).met, false);
  });

  it('may be at least as well as at most', () => {
    const rate = (value: number): Figure => ({
      id: 'c.backlog.rate',
      what: '',
      unit: 'files/s',
      samples: [value],
    });
    assert.equal(judged(rate(200), true).met, true);
    assert.equal(judged(rate(199), true).met, false);
  });

  it('are there for some figures only, and for none of a smoke run', () => {
    assert.equal(judged({ ...load([1]), id: 'a.empty.3' }, true).met, undefined);
    assert.equal(judged(load([1]), false).met, undefined);
    assert.equal(judged(load([1]), false).goal, undefined);
  });
});

const MACHINE: Machine = { CPU: '2 × some', Node: 'v20' };

function report(more: Partial<Report> = {}): Report {
  const pair = { ours: [1, 2, 1.5], theirs: [4, 4, 5], who: 'psql' };
  const figures: Figure[] = [
    { id: 'a.empty.10', what: 'onto an empty table, 10×', pair, unit: 'ratio', samples: [0.25, 0.5, 0.3] },
    { id: 'd.memory.50', what: 'memory', unit: 'MB', samples: [230.4] },
    { id: 'e.events', what: 'events', unit: 'count', samples: [1_234] },
  ];
  return {
    figures: figures.map((figure) => judged(figure, true)),
    machine: MACHINE,
    yardstick: [80, 100, 90],
    notes: ['sling is not installed: no network.'],
    runs: 3,
    smoke: false,
    ...more,
  };
}

describe('the report of the bench', () => {
  it('is a table with a row for each figure, all columns in line', () => {
    assert.deepEqual(printed(report()).split('\n').slice(0, 5), [
      '   measured                  against      us    they  figure  least to most      goal  met',
      '─'.repeat(90),
      'a  onto an empty table, 10×  psql     1.50 s  4.00 s    0.30  0.25 to 0.50     ≤ 0.45  yes',
      'd  memory                                             230 MB                 ≤ 220 MB  NO',
      'e  events                                              1,234',
    ]);
  });

  it('says the noise, what was left out, and on what machine it was', () => {
    assert.deepEqual(printed(report()).split('\n').slice(6), [
      'a: a load against psql on the same server; d: memory and size; e: nothing pending',
      'Medians of 3 interleaved runs; ratios are taken pair by pair.',
      'Noise: the times of psql itself spread by 25 % in the middle case, 25 % at most; a fixed piece of computing took 80 to 100 ms, 90 ms in the middle case.',
      'sling is not installed: no network.',
      'CPU: 2 × some; Node: v20',
    ]);
  });

  it('warns where it comes from a smoke run', () => {
    assert.match(printed(report({ smoke: true })), /too small to say anything of speed/);
  });

  it('is a Markdown table, of all figures or of those with a goal', () => {
    const rows = (which: 'all' | 'goals'): string[] =>
      toMarkdown(report(), which)
        .split('\n')
        .filter((line) => line.startsWith('|'));
    assert.deepEqual(rows('goals'), [
      '| measured | against | us | they | figure | least to most | goal | met |',
      '|---|---|--:|--:|--:|---|--:|---|',
      '| onto an empty table, 10× | psql | 1.50 s | 4.00 s | 0.30 | 0.25 to 0.50 | ≤ 0.45 | yes |',
      '| memory |  |  |  | 230 MB |  | ≤ 220 MB | NO |',
    ]);
    assert.deepEqual(rows('all').slice(0, 4), rows('goals'));
    assert.equal(rows('all').length, 5);
  });

  it('is JSON with every sample', () => {
    const read = JSON.parse(toJson(report())) as Report & { noise: object };
    assert.deepEqual(read.figures[0]?.pair?.theirs, [4, 4, 5]);
    assert.deepEqual(read.figures[0]?.samples, [0.25, 0.5, 0.3]);
    assert.deepEqual(read.yardstick, [80, 100, 90]);
    assert.deepEqual(read.noise, { median: 0.25, most: 0.25 });
  });
});

describe('a table in a document', () => {
  const begin = '<!-- npm run bench -- --publish: begin -->';
  const end = '<!-- npm run bench -- --publish: end -->';

  it('is replaced between its comments, and nothing else is', () => {
    const document = `above\n${begin}\nold\n${end}\nbelow\n`;
    const once = replaceTable(document, '| new |');
    assert.equal(once, `above\n${begin}\n\n| new |\n\n${end}\nbelow\n`);
    assert.equal(replaceTable(once, '| new |'), once);
  });

  it('has to have its place', () => {
    assert.throws(() => replaceTable(`${end} ${begin}`, ''), /lacks the comments/);
    assert.throws(() => replaceTable('text', ''), /lacks the comments/);
  });
});

describe('the yardstick', () => {
  it('keeps a time each time that it is taken', () => {
    const yardstick = new Yardstick();
    yardstick.take();
    yardstick.take();
    assert.equal(yardstick.samples.length, 2);
    assert.ok(yardstick.samples.every((ms) => ms > 0));
  });
});
