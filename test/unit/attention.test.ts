import assert from 'node:assert/strict';
import { concernsOf } from '../../src/client/dashboard/attention.ts';
import { page } from '../../src/client/dashboard/page.ts';
import type { DatasetView } from '../../src/client/dashboard/snapshot.ts';
import type { Dataset } from '../../src/datasets/dataset.ts';
import { inc } from '../../src/datasets/inc.ts';
import { NOTHING_SEEN, type ListingSummary } from '../../src/domain/listing.ts';
import type { OpenFailure, DatasetStatus } from '../../src/postgres/status.ts';

const NOW = Date.UTC(2026, 5, 22, 12, 0, 30);
const LOOK = { at: NOW, silentAfter: 3_600 };
const MINUTE = 60_000;

/** A dataset with which nothing is wrong, but for what is given. */
function view(input: {
  readonly dataset?: Partial<Dataset>;
  readonly status?: Partial<DatasetStatus>;
  readonly seen?: Partial<ListingSummary>;
  readonly failed?: readonly Partial<OpenFailure>[];
  readonly forgotten?: string;
}): DatasetView {
  const status: DatasetStatus = {
    watermark: 'k',
    lastAppliedAt: new Date(NOW - 30 * MINUTE),
    lastCheckedAt: new Date(NOW - MINUTE),
    freshnessSeconds: 1_800,
    enabledSeconds: hours(99),
    rows: 1,
    archiveDebt: 0,
    truncated: false,
    looksLikeBaseline: null,
    rebuild: null,
    ...input.status,
  };
  const failed = (input.failed ?? []).map((failure) => ({
    key: 'changes/k.csv',
    etag: 'e',
    kind: 'RowsRejected',
    line: 2,
    column: 'mttr',
    since: new Date(NOW),
    ...failure,
  }));
  return {
    dataset: { ...inc, enabled: true, ...input.dataset },
    ledger: { value: { status, deeds: [], rejects: [] }, at: NOW },
    listing: {
      value: { seen: { ...NOTHING_SEEN, ...input.seen }, failed, forgotten: input.forgotten ?? null },
      at: NOW,
    },
  };
}

const some = { total: 1, keys: ['changes/2026-06-22T11-00-00.csv'] };
const hours = (n: number): number => n * 3_600;

describe('what needs a person, on the page', () => {
  const cases: readonly (readonly [string, DatasetView, string | undefined])[] = [
    ['nothing', view({}), undefined],
    ['a refused file', view({ failed: [{}] }), 'bad: 1 file refused: inc stops at k.csv'],
    [
      'a vanished file',
      view({ failed: [{ kind: 'FileVanished' }] }),
      'bad: 1 file missing: inc stops at k.csv',
    ],
    ['a changed file', view({ seen: { changed: some } }), 'warn: 1 file changed after it was applied'],
    ['a late file', view({ seen: { late: some } }), 'warn: 1 file late'],
    ['a file from the future', view({ seen: { future: some } }), 'warn: 1 file from the future'],
    [
      'a ledger that has forgotten an archived file, so that no run notes that it looked',
      view({ forgotten: 'processed/k.csv', status: { lastCheckedAt: new Date(NOW - 60 * MINUTE) } }),
      'bad: LedgerBehind: runs of inc apply nothing',
    ],
    ['archive debt', view({ status: { archiveDebt: 2 } }), 'warn: 2 applied files not archived'],
    ['a truncated export', view({ status: { truncated: true } }), 'warn: the export was cut short'],
    ['a rebuild under way', view({ status: { rebuild: 'building' } }), undefined],
    [
      'a rebuild that has found what differs',
      view({ status: { rebuild: 'compared' } }),
      'warn: a rebuild waits for an answer',
    ],
    [
      'three times of the schedule without a look',
      view({ status: { lastCheckedAt: new Date(NOW - 16 * MINUTE) } }),
      'warn: no run has looked for 16 min',
    ],
    [
      'a long load, which looks at nothing else',
      view({
        status: { lastCheckedAt: new Date(NOW - 40 * MINUTE), lastAppliedAt: new Date(NOW - 2 * MINUTE) },
      }),
      undefined,
    ],
    [
      'a dataset that is looked at once an hour, 45 minutes later',
      view({
        dataset: { cron: '0 * * * *' },
        status: { lastCheckedAt: new Date(NOW - 45 * MINUTE) },
      }),
      undefined,
    ],
    [
      'an exporter that has been silent for an hour',
      view({ status: { freshnessSeconds: hours(1.5) } }),
      'warn: the newest applied export is 90 min old',
    ],
    [
      'a dataset that is looked at, and got no file within an hour',
      view({ status: { watermark: null, freshnessSeconds: null, enabledSeconds: hours(1.5) } }),
      'warn: no file was ever applied, for 90 min',
    ],
    [
      'a dataset that was switched on half an hour ago',
      view({ status: { watermark: null, freshnessSeconds: null, enabledSeconds: hours(0.5) } }),
      undefined,
    ],
    [
      'files that wait for an hour, within which they may well be loaded',
      view({ status: { freshnessSeconds: hours(1.5) }, seen: { pending: some } }),
      undefined,
    ],
    [
      'stale data, whatever the reason',
      view({ status: { freshnessSeconds: hours(2.5) }, seen: { pending: some } }),
      'bad: the newest applied export is 3 h old',
    ],
    [
      'stale data of a dataset that is switched off',
      view({ dataset: { enabled: false }, status: { freshnessSeconds: hours(99) } }),
      undefined,
    ],
  ];

  for (const [what, seen, expected] of cases)
    it(what, () => {
      const found = concernsOf(seen, LOOK).map(({ level, title }) => `${level}: ${title}`);
      assert.deepEqual(found, expected === undefined ? [] : [expected]);
    });
});

describe('a silent exporter, as TIDEMARK_SILENT_AFTER has it', () => {
  it('is told of by the page after that time, and not before', () => {
    const seen = view({ status: { freshnessSeconds: hours(1.5) } });
    const titles = (silentAfter: number): readonly string[] =>
      concernsOf(seen, { at: NOW, silentAfter }).map(({ title }) => title);
    assert.deepEqual(titles(hours(1)).length, 1);
    assert.deepEqual(titles(hours(2)), []);
  });
});

describe('the verdict of the page', () => {
  const stale = { freshnessSeconds: hours(2.5) };
  const cases: readonly (readonly [string, readonly DatasetView[]])[] = [
    ['All is well', [view({})]],
    ['1 thing needs a look', [view({}), view({ seen: { late: some } })]],
    ['The data are old', [view({ seen: { late: some } }), view({ status: stale })]],
    ['Loading has stopped', [view({ status: stale, failed: [{}] })]],
    ['A server cannot be read', [{ ...view({ failed: [{}] }), listing: { problem: 'S3 does not answer' } }]],
  ];

  for (const [expected, views] of cases)
    it(expected, () => {
      const html = page({
        views,
        look: LOOK,
        everyMs: 1_000,
        bucket: 'b',
        runLink: () => undefined,
      });
      assert.equal(/id="verdict"[^>]*>([^<]*)</.exec(html)?.[1], expected);
    });
});
