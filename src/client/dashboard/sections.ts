/** The page's parts: what is seen of each dataset, as markup. */

import type { RecentDeed, RecentReject } from '../../postgres/recent.ts';
import { ago, count, counted, localTime } from '../terminal.ts';
import { concernsOf, type Concern, type Look } from './attention.ts';
import { nameOf } from '../../domain/changeFile.ts';
import { charts } from './chart.ts';
import { html, NONE, type Html } from './html.ts';
import { agedBy, type DatasetView, type Seen } from './snapshot.ts';
import type { RunLink } from './temporalUi.ts';

/** Files in the table. */
const MAX_FILES = 20;

/** Keys shown of what waits. */
const MAX_PENDING = 20;

/** A dataset. */
export function datasetSection(view: DatasetView, look: Look, runLink: RunLink): Html {
  const { dataset, ledger } = view;
  const { at: now } = look;
  const id = `dataset-${dataset.name}`;
  return html`<section class="dataset" id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">
      ${dataset.name}${dataset.enabled ? NONE : html` <small>not enabled: no Schedule</small>`}
    </h2>
    ${blindness('PostgreSQL', ledger, now)}
    ${ledger.problem === undefined ? blindness('The bucket’s listing', view.listing, now) : NONE}
    ${concernsOf(view, look).map(concern)} ${facts(view, now)}
    ${ledger.value ? charts(ledger.value.deeds) : NONE} ${pending(view)} ${rejects(view)}
    ${files(view, runLink)}
  </section>`;
}

/** What cannot be looked at, and how old the rest is. */
function blindness(source: string, seen: Seen<unknown>, now: number): Html {
  if (seen.problem === undefined) return NONE;
  const kept =
    seen.at === undefined
      ? 'Nothing was seen of it yet.'
      : `What you see of it is ${ago((now - seen.at) / 1000)} old.`;
  return concern({
    level: 'bad',
    title: `${source} cannot be read`,
    advice: `${seen.problem.replace(/\.?$/, '.')} ${kept}`,
    keys: [],
  });
}

function concern({ level, title, advice, keys, command }: Concern): Html {
  return html`<div class="concern ${level}">
    <h3><span class="mark" aria-hidden="true">${level === 'bad' ? '✕' : '!'}</span> ${title}</h3>
    ${
      keys.length > 0
        ? html`<ul>
            ${keys.map((key) => html`<li><code>${key}</code></li>`)}
          </ul>`
        : NONE
    }
    <p>${advice}</p>
    ${command === undefined ? NONE : html`<p class="command"><code>${command}</code></p>`}
  </div>`;
}

function facts({ dataset, ledger, listing }: DatasetView, now: number): Html {
  const status = ledger.value?.status;
  const seen = listing.value?.seen;
  const failed = listing.value?.failed;
  const vanished = failed?.filter(({ kind }) => kind === 'FileVanished').length;
  const zone = dataset.timeZone;
  const known = (n: number | undefined): string => (n === undefined ? 'unknown' : count(n));
  const big: Fact[] = [
    // The lag grows while the page stands still: it is counted from when PostgreSQL said it.
    [
      'Freshness',
      status?.freshnessSeconds == null ? '–' : ago(status.freshnessSeconds + agedBy(ledger, now)),
      'since the newest applied export began',
    ],
    ['Watermark', status?.watermark == null ? 'none' : nameOf(status.watermark), 'the newest file applied'],
    ['Rows', ledger.value ? count(status?.rows ?? 0) : 'unknown', `in tickets.${dataset.table}`],
    ['Pending', known(seen?.pending.total), 'files waiting to be loaded'],
  ];
  const small: Fact[] = [
    ['Refused', known(failed === undefined ? undefined : failed.length - (vanished ?? 0))],
    ['Vanished', known(vanished)],
    ['Late', known(seen?.late.total)],
    ['Changed', known(seen?.changed.total)],
    ['Future', known(seen?.future.total)],
    ['To archive', ledger.value ? count(status?.archiveDebt ?? 0) : 'unknown'],
    ['Truncated', ledger.value ? (status?.truncated === true ? 'yes' : 'no') : 'unknown'],
  ];
  const times: Fact[] = [
    ['Last applied', localTime(status?.lastAppliedAt, zone), zone],
    ['Last checked', localTime(status?.lastCheckedAt, zone), zone],
  ];
  return html`<dl class="facts big">${big.map(fact)}</dl>
    <dl class="facts">${small.map(fact)}</dl>
    <dl class="facts times">${times.map(fact)}</dl>`;
}

type Fact = readonly [title: string, value: string, meaning?: string];

function fact([title, value, meaning]: Fact): Html {
  const alarming =
    /^(Refused|Vanished|Late|Changed|Future|Truncated)$/.test(title) && !/^(0|no|unknown)$/.test(value);
  return html`<div class="${alarming ? 'fact alarming' : 'fact'}">
    <dt>${title}</dt>
    <dd>${value}</dd>
    ${meaning === undefined ? NONE : html`<dd class="meaning">${meaning}</dd>`}
  </div>`;
}

function pending({ dataset, listing }: DatasetView): Html {
  const { keys, total } = listing.value?.seen.pending ?? { keys: [], total: 0 };
  if (total === 0) return NONE;
  const more = total - Math.min(keys.length, MAX_PENDING);
  return html`<details id="pending-${dataset.name}">
    <summary>${counted(total, 'file')} pending</summary>
    <ul>
      ${keys.slice(0, MAX_PENDING).map((key) => html`<li><code>${nameOf(key)}</code></li>`)}
    </ul>
    ${more > 0 ? html`<p>… and ${count(more)} more: <code>tidemark status ${dataset.name} --json</code></p>` : NONE}
  </details>`;
}

function rejects({ dataset, ledger }: DatasetView): Html {
  const rows = ledger.value?.rejects ?? [];
  if (rows.length === 0) return NONE;
  return table(
    `rejects-${dataset.name}`,
    'Rejected rows',
    'By line and column; those that stop the dataset first. Values stay in PostgreSQL.',
    ['File', '#Line', 'Column', 'Reason', 'State'],
    rows.map(({ key, line, column, reason, open }: RecentReject) => [
      nameOf(key),
      String(line),
      column ?? '–',
      reason,
      open ? 'stops the dataset' : 'settled',
    ]),
  );
}

function files({ dataset, ledger }: DatasetView, runLink: RunLink): Html {
  const deeds = (ledger.value?.deeds ?? []).slice(0, MAX_FILES);
  if (deeds.length === 0) {
    return ledger.value
      ? html`<p class="empty">
          No file was applied yet. <code>tidemark plan ${dataset.name}</code> says what a run would do.
        </p>`
      : NONE;
  }
  return table(
    `files-${dataset.name}`,
    'Last files',
    `Newest first, times of ${dataset.timeZone}. Read = inserted + updated + unchanged + superseded + stale + alarm + sentinel + rejected.`,
    [
      'File',
      'Deed',
      'Run',
      '#Read',
      '#Inserted',
      '#Updated',
      '#Unchanged',
      '#Superseded',
      '#Stale',
      '#Alarm',
      '#Sentinel',
      '#Rejected',
      '#Seconds',
      'Applied',
      'Archived',
    ],
    deeds.map((deed) => cellsOf(deed, dataset.timeZone, runLink)),
  );
}

function cellsOf(deed: RecentDeed, zone: string, runLink: RunLink): (string | Html)[] {
  const href = runLink(deed);
  return [
    nameOf(deed.key),
    deed.exportType + (deed.truncated ? ', truncated' : ''),
    href === undefined
      ? '–'
      : html`<a href="${href}" rel="noreferrer" aria-label="open run of ${nameOf(deed.key)} in Temporal"
          >open</a
        >`,
    ...[
      deed.read,
      deed.inserted,
      deed.updated,
      deed.unchanged,
      deed.superseded,
      deed.stale,
      deed.alarm,
      deed.sentinel,
      deed.rejected,
    ].map(count),
    deed.seconds === null ? '–' : deed.seconds.toFixed(3),
    localTime(deed.importedAt, zone),
    deed.archivedAt === null ? '–' : localTime(deed.archivedAt, zone),
  ];
}

/** A table that scrolls by itself, by keyboard too. A heading that begins with # is of figures. */
function table(
  id: string,
  title: string,
  note: string,
  headings: readonly string[],
  rows: readonly (readonly (string | Html)[])[],
): Html {
  const figures = headings.map((heading) => heading.startsWith('#'));
  const at = (i: number): string => (figures[i] === true ? 'figure' : 'word');
  return html`<div>
    <h3 id="${id}-title">${title}</h3>
    <p class="note">${note}</p>
    <div class="scroll" id="${id}" role="region" aria-labelledby="${id}-title" tabindex="0">
      <table>
        <thead>
          <tr>
            ${headings.map((heading, i) => html`<th scope="col" class="${at(i)}">${heading.replace('#', '')}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (cells) =>
              html`<tr>
                ${cells.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${at(i)}">${cell}</td>`))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </div>`;
}
