import assert from 'node:assert/strict';
import fc from 'fast-check';
import { archiveKey, compareKeys, compressionOf, parseChangeFileName } from '../../src/domain/changeFile.ts';
import { balances, NO_ROWS } from '../../src/domain/counts.ts';
import { FAILURE_KINDS, isFinal, TidemarkFailure } from '../../src/domain/failures.ts';
import { framesOf } from '../../src/domain/frames.ts';
import { addKeys, MAX_KEYS, NOTHING_SEEN, summarise } from '../../src/domain/listing.ts';
import { classify, type PageFacts, type StateRules } from '../../src/domain/states.ts';
import { inc } from '../../src/datasets/inc.ts';

const PREFIX = inc.changesPrefix;
const NOW = Date.parse('2026-03-02T00:00:00Z');

describe('a change file’s name', () => {
  it('holds when its export started, in Nairobi', () => {
    const name = parseChangeFileName(PREFIX, `${PREFIX}2026-03-01T10-20-30.csv`);
    assert.equal(new Date(name?.stamp ?? 0).toISOString(), '2026-03-01T07:20:30.000Z');
  });

  it('may say that the bytes are packed: another file of that stamp, behind the plain one', () => {
    const keys = ['', '.gz', '.zst'].map((packed) => `${PREFIX}2026-03-01T10-20-30.csv${packed}`);
    const next = `${PREFIX}2026-03-01T10-20-31.csv`;
    assert.ok(keys.every((key) => parseChangeFileName(PREFIX, key)));
    assert.deepEqual([next, ...keys].toSorted(compareKeys), [...keys, next]);
    assert.deepEqual(keys.map(compressionOf), ['none', 'gzip', 'zstd']);
  });

  for (const key of [
    '2026-03-01T10-20-30.gz',
    '2026-03-01T10-20-30.csv.bz2',
    '2026-03-01T10-20-30.csv.gz.zst',
    '2026-02-30T10-00-00.csv',
    '2026-13-01T10-00-00.csv',
    '2026-03-01T24-00-00.csv',
    '2026-03-01T10-60-00.csv',
    '2026-03-01 10-00-00.csv',
    '2026-03-01T10-00-00.CSV',
    '2026-03-01T10-00-00.csv/',
    'full/2026-03-01T10-00-00.csv',
    'full/',
    '',
  ]) {
    it(`is not ${key || 'the empty one'}`, () => {
      assert.equal(parseChangeFileName(PREFIX, PREFIX + key), undefined);
    });
  }

  it('is not one under another prefix', () => {
    assert.equal(parseChangeFileName(PREFIX, 'automations/crq/changes/2026-03-01T10-00-00.csv'), undefined);
  });

  it('is kept by the archive', () => {
    assert.equal(
      archiveKey(inc, `${PREFIX}2026-03-01T10-00-00.csv`),
      'automations/inc/processed/2026-03-01T10-00-00.csv',
    );
  });
});

describe('the order of keys', () => {
  it('is the byte order of their UTF-8 form', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        assert.equal(Math.sign(compareKeys(a, b)), Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a failure', () => {
  it('is one sentence with place, code and next step', () => {
    const failure = new TidemarkFailure('RowsRejected', '1 row rejected', {
      line: 7,
      column: 'mttr',
      code: 'X1',
    });
    assert.equal(
      failure.at({ dataset: 'inc', key: 'k.csv' }).message,
      'inc k.csv line 7 column mttr: 1 row rejected [X1]. ' +
        'See them: tidemark rejects inc k.csv. Mend the object, or leave it out: ' +
        'tidemark skip inc k.csv --reason TEXT',
    );
  });

  it('is final where a retry can’t help', () => {
    const retried = FAILURE_KINDS.filter((kind) => !isFinal(kind));
    assert.deepEqual(retried.sort(), [
      'Cancelled',
      'ObjectReplaced',
      'PostgresBusy',
      'PostgresUnavailable',
      'S3Unavailable',
      'Stalled',
    ]);
  });
});

describe('the frames of a defect', () => {
  it('hold no line of its message, though it looks like a frame', () => {
    const frames = framesOf(new Error('quoted:\n    at hushhush (row 7)\nend'));
    assert.ok(frames.length > 0);
    assert.ok(!frames.join().includes('hushhush'));
  });
});

describe('the account of a file', () => {
  it('balances only where every row read is accounted for', () => {
    assert.ok(balances({ ...NO_ROWS, read: 3, inserted: 1, alarm: 1, superseded: 1 }));
    assert.ok(!balances({ ...NO_ROWS, read: 3, inserted: 1, alarm: 1 }));
  });
});

describe('a listing’s summary', () => {
  it('keeps the first hundred keys of a state, and the total', () => {
    const many = Array.from({ length: 250 }, (_unused, n) => `k${n}`);
    const list = addKeys(addKeys({ total: 0, keys: [] }, many.slice(0, 60)), many.slice(60));
    assert.deepEqual([list.total, list.keys], [250, many.slice(0, MAX_KEYS)]);
  });

  it('adds pages up', () => {
    const file = { key: 'k', size: 1, etag: 'e' };
    const first = [
      { ...file, state: 'late' },
      { ...file, state: 'ignored' },
    ] as const;
    const second = [
      { ...file, state: 'settling' },
      { ...file, state: 'vanished' },
    ] as const;
    const twice = summarise(summarise(NOTHING_SEEN, first, 'hold'), second, 'hold');
    assert.deepEqual(
      [twice.late.total, twice.ignored, twice.pending.total, twice.failed.total],
      [1, 1, 1, 1],
    );
    // Nobody has to decide about a late file that is applied anyway.
    const applying = summarise(NOTHING_SEEN, first, 'apply');
    assert.deepEqual([applying.late.total, applying.pending.total], [0, 1]);
  });
});

describe('the state of an object', () => {
  const key = (n: number): string => `${PREFIX}2026-03-01T10-00-0${n}.csv`;
  const object = (
    n: number,
    etag = 'e',
  ): { key: string; size: number; etag: string; lastModified: number } => ({
    key: key(n),
    size: 10,
    etag,
    lastModified: NOW,
  });
  const nothing: PageFacts = { ledger: [], failures: [], same: [] };
  const state = (facts: Partial<PageFacts>, rules: Partial<StateRules> = {}, seen = object(5)): string =>
    classify({ ...inc, ...rules }, { objects: [seen], serverTime: NOW }, { ...nothing, ...facts })
      .map((file) => `${file.key.slice(-5, -4)} ${file.state}`)
      .join(', ');
  const applied = { key: key(5), exportType: 'delta', etag: 'e', sha256: 's', archived: false } as const;
  const failure = { key: key(5), etag: 'e', kind: 'RowsRejected', message: 'm' } as const;

  const cases: readonly (readonly [string, string, string])[] = [
    ['above the watermark and unknown', state({ watermark: key(4) }), '5 pending'],
    ['before any watermark', state({}), '5 pending'],
    ['at the watermark and unknown', state({ watermark: key(5) }), '5 late'],
    ['below it and unknown', state({ watermark: key(6) }), '5 late'],
    ['below an adopted watermark', state({ watermark: key(6), adoptedUpTo: key(5) }), '5 covered'],
    ['between an adopted watermark and today’s', state({ watermark: key(6), adoptedUpTo: key(4) }), '5 late'],
    ['applied with the same content', state({ watermark: key(5), ledger: [applied] }), '5 applied'],
    ['applied, other ETag', state({ ledger: [{ ...applied, etag: 'x' }] }), '5 changed'],
    [
      'applied, other ETag, compared and different',
      state({ ledger: [{ ...applied, etag: 'x' }], failures: [{ ...failure, kind: 'FileChanged' }] }),
      '5 changed',
    ],
    [
      'applied, other ETag, compared and the same',
      state({
        ledger: [{ ...applied, etag: 'x' }],
        same: [{ key: key(5), etag: 'e', sha256: 's' }],
      }),
      '5 applied',
    ],
    [
      'applied, other ETag, compared with what was applied before a reload',
      state({
        ledger: [{ ...applied, etag: 'x' }],
        same: [{ key: key(5), etag: 'e', sha256: 'r' }],
      }),
      '5 changed',
    ],
    ['refused before, same ETag', state({ failures: [failure] }), '5 failed'],
    [
      'refused before, by another definition of the dataset',
      state({ failures: [{ ...failure, outdated: true }] }),
      '5 pending',
    ],
    ['refused before, mended since', state({ failures: [{ ...failure, etag: 'x' }] }), '5 pending'],
    ['vanished, then put back', state({ failures: [{ ...failure, kind: 'FileVanished' }] }), '5 pending'],
    ['skipped', state({ ledger: [{ ...applied, exportType: 'skipped' }] }), '5 skipped'],
    [
      'skipped, then mended',
      state({ ledger: [{ ...applied, exportType: 'skipped', etag: 'x' }] }),
      '5 pending',
    ],
    [
      'applied, changed, and the change skipped',
      state({
        ledger: [
          { ...applied, etag: 'x' },
          { ...applied, exportType: 'skipped' },
        ],
      }),
      '5 skipped',
    ],
    ['late and refused, held', state({ watermark: key(6), failures: [failure] }), '5 late'],
    [
      'late and refused, applied by policy',
      state({ watermark: key(6), failures: [failure] }, { latePolicy: 'apply' }),
      '5 failed',
    ],
    [
      'younger than the settle time',
      state({}, { settleMs: 60_000 }, { ...object(5), lastModified: NOW - 59_000 }),
      '5 settling',
    ],
    [
      'as old as the settle time',
      state({}, { settleMs: 60_000 }, { ...object(5), lastModified: NOW - 60_000 }),
      '5 pending',
    ],
    ['put by a clock ahead of S3’s', state({}, {}, { ...object(5), lastModified: NOW + 999 }), '5 pending'],
    [
      'more than an hour ahead',
      state({}, {}, { ...object(0), key: `${PREFIX}2026-03-02T04-00-01.csv` }),
      '1 future',
    ],
    ['an hour ahead', state({}, {}, { ...object(0), key: `${PREFIX}2026-03-02T04-00-00.csv` }), '0 pending'],
    [
      'unlisted, vanished',
      state({ failures: [{ ...failure, key: key(3), kind: 'FileVanished' }] }),
      '3 vanished, 5 pending',
    ],
    ['unlisted, refused before', state({ failures: [{ ...failure, key: key(3) }] }), '3 vanished, 5 pending'],
    [
      'unlisted, refused twice with different content',
      state({
        failures: [
          { ...failure, key: key(3) },
          { ...failure, key: key(3), etag: 'x' },
        ],
      }),
      '3 vanished, 5 pending',
    ],
    [
      'unlisted, refused before, and passed by the watermark',
      state({ watermark: key(4), failures: [{ ...failure, key: key(3) }] }),
      '5 pending',
    ],
    [
      'unlisted, refused as a late one that is applied by policy',
      state({ watermark: key(4), failures: [{ ...failure, key: key(3) }] }, { latePolicy: 'apply' }),
      '3 vanished, 5 pending',
    ],
    [
      'unlisted, refused, and covered since',
      state(
        { watermark: key(4), adoptedUpTo: key(3), failures: [{ ...failure, key: key(3) }] },
        { latePolicy: 'apply' },
      ),
      '5 pending',
    ],
    [
      'unlisted, its archiving unfinished',
      state({ watermark: key(3), ledger: [{ ...applied, key: key(3) }] }),
      '3 applied, 5 pending',
    ],
    [
      'unlisted, of a dataset that archives nothing',
      state({ watermark: key(3), ledger: [{ ...applied, key: key(3) }] }, { archive: false }),
      '5 pending',
    ],
  ];
  for (const [what, found, expected] of cases) {
    it(`${what}: ${expected.slice(2)}`, () => assert.equal(found, expected));
  }
});
